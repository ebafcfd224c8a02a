"""The loss of ReLIFT's fine-tuning."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from golden_objective import GivenLogprobs, loss_batch
from torch import Tensor

from etude.objective.extra_update.relift import ReLIFT
from etude.objective.loss import token_metric

METHOD = "relift"
CONFIG = {"kind", "entropy_coeff"}
INPUTS = {"logprobs", "token_entropy"}


@dataclass
class GivenEntropies(GivenLogprobs):
    """A forward pass that returns given log-probs and entropies."""

    given: Tensor

    def entropy(self) -> Tensor:
        return self.given


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    config.choose("kind", {"sft_loss": None})
    part = ReLIFT(entropy_coef=config.take("entropy_coeff"), denominator="micro")
    mask = inputs.tensor("response_mask")
    logprobs = inputs.tensor("logprobs").requires_grad_()
    whole = loss_batch(mask, mask * 0, mask * 0)
    cuts = config.take("gradient_accumulation")
    batch = dataclasses.replace(whole, totals=dataclasses.replace(whole.totals, micro_batches=cuts))
    entropies = inputs.tensor("token_entropy")
    loss = part.loss(batch, GivenEntropies(logprobs, entropies))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
    case.check("sft_loss", loss.metrics["nll"].value())
    # Without a weight on it the entropy is not looked at here; theirs logs it all the same.
    known = loss.metrics.get("entropy", token_metric(entropies, mask))
    case.check("entropy", known.value())
