"""The supervised objective: cross-entropy on demonstrations, the prompt masked out.

    L = Σ_{i,t} w_it · token_loss_it  +  kl_coef · Σ_{i,t} w_it · KL(π‖ref)_it
      (+ anchor_coef · Σ (θ − θ₀)², added once an update by the learner through :meth:`anchor`)

The KL is over the whole vocabulary, the student first. The weights w come from ``denominator``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Need, option, slot
from etude.objective.batch import MaskedForward, SupervisedBatch, SupervisedForward
from etude.objective.loss import Loss, aggregate, token_metric
from etude.objective.token_loss.kind import DemonstrationLoss
from etude.primitives.kl import full_kl
from etude.primitives.masked import as_float, keep

#: What the two optional terms need; a preset hands them to ``component``.
SUPERVISED_NEEDS = (
    Need("model:reference", when="kl_coef > 0", why="whose distributions it stays close to"),
)


def loss_mask_of(prompt_length: int, response_length: int) -> list[int]:
    """Return the loss mask of a sequence of P prompt and R response tokens, of length P + R.

    Position t is 1 when the prediction made there, of token t + 1, is trained: the first trained
    target is the first response token and the last one is the last (end-of-text) token. That is
    t in [P − 1, P + R − 2]. With P ≤ 1 nothing is masked at the front; without a response nothing
    is trained.
    """
    first = max(prompt_length - 1, 0)
    last = prompt_length + response_length - 2
    return [int(first <= t <= last) for t in range(prompt_length + response_length)]


@dataclass(frozen=True)
class Supervised:
    """Teaches demonstrations token by token."""

    learner: ClassVar[str] = "supervised"
    reads: ClassVar[tuple[str, ...]] = (
        "model",
        "models",
        "objective",
        "data_mix",
        "optimizer",
        "training",
    )

    token_loss: DemonstrationLoss = slot("standard", "what one demonstrated token costs")
    denominator: str = option(
        "global_tokens",
        "what the loss is divided by: global_tokens (all trained tokens of the update) | "
        "per_sequence (mean of row means) | micro (tokens of the micro-batch: a fidelity option, "
        "the result then depends on the micro-batch size)",
        choices=("global_tokens", "per_sequence", "micro"),
    )
    kl_coef: float = option(
        0.0, "weight of the full-vocabulary KL to the reference model (0.05 is usual)", ge=0
    )
    anchor_coef: float = option(
        0.0, "weight of the squared distance to the weights the stage started from", ge=0
    )

    def loss(self, batch: SupervisedBatch, forward: SupervisedForward) -> Loss:
        """Return the loss of a micro-batch; summed over the update batch it is the batch's loss.

        ``forward.logprobs`` are those of the labels; ``logits`` and ``reference_logits`` are asked
        for only when ``kl_coef`` is not 0.
        """
        mask = as_float(batch.mask)
        masked = MaskedForward(forward, mask)
        mask = mask.to(masked.logprobs.dtype)
        weights = self.weights(batch, mask)
        total = aggregate(self.token_loss.loss(masked.logprobs), weights)
        metrics = {"objective/token_nll": token_metric(-masked.logprobs, mask)}
        if self.kl_coef > 0:
            with torch.no_grad():
                reference = keep(as_float(forward.reference_logits()), mask.unsqueeze(-1))
            kl = full_kl(masked.logits(), reference)
            total = total + self.kl_coef * aggregate(kl, weights)
            metrics["objective/kl_reference"] = token_metric(kl, mask)
        return Loss(total, metrics)

    def weights(self, batch: SupervisedBatch, mask: Tensor) -> Tensor:
        """Return the weight of every token, ``[N, T]``."""
        totals = batch.totals
        if self.denominator == "per_sequence":
            return mask / (mask.sum(-1, keepdim=True).clamp(min=1) * max(totals.rows, 1))
        if self.denominator == "micro":
            return mask / (mask.sum().clamp(min=1) * totals.micro_batches)
        return mask / max(totals.tokens, 1)

    def anchor(self, parameters: Iterable[Tensor], start: Iterable[Tensor]) -> Tensor:
        """Return ``anchor_coef · Σ (θ − θ₀)²`` over all parameters; not divided by anything."""
        distances = [
            (now - before.detach()).float().square().sum()
            for now, before in zip(parameters, start, strict=True)
        ]
        return self.anchor_coef * torch.stack(distances).sum()
