"""The two losses of demonstrations that stand beside CHORD, as losses of a supervised stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from golden_objective import GivenLogprobs, composed

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.token_loss.dft import DFT
from etude.objective.token_loss.phi import Phi
from etude.objective.token_weights.uniform import Uniform

METHOD = "chord"
CONFIG = {"kind", "use_token_level_loss"}
INPUTS = {"logprobs", "response_mask"}

KINDS = {
    "sft_phi": lambda config: Phi(cutoff=config.take("cutoff_prob", 1.0)),
    "sft_is": lambda config: DFT(floor=0.0),
}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    objective = replace(
        composed("sft"),
        token_loss=config.choose("kind", KINDS)(config),
        token_weights=Uniform(),
        denominator=config.choose(
            "use_token_level_loss", {True: "global_tokens", False: "per_sequence"}
        ),
    )
    mask = inputs.tensor("response_mask")
    logprobs = inputs.tensor("logprobs").requires_grad_()
    batch = SupervisedBatch(mask.long(), mask, totals_of(mask, width=mask.shape[1]))
    loss = objective.loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
