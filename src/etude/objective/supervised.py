"""The supervised objective: cross-entropy on demonstrations, the prompt masked out.

    L = Σ_{i,t} w_it · token_loss_it  +  kl_coef · Σ_{i,t} w_it · KL(π‖ref)_it
      (+ anchor_coef · Σ (θ − θ₀)², added once an update by the learner through :meth:`anchor`)

The KL is over the whole vocabulary, the student first. The weights w come from ``token_weights``,
divided by their sum as ``denominator`` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Need, option, slot
from etude.objective.batch import SupervisedBatch, SupervisedForward
from etude.objective.loss import Loss, Metrics, aggregate, token_metric
from etude.objective.token_loss.kind import DemonstrationLoss, Taught
from etude.objective.token_weights.kind import TokenWeights
from etude.primitives.kl import full_kl
from etude.primitives.masked import as_float

#: What the two optional terms need; a preset hands them to ``component``.
SUPERVISED_NEEDS = (
    Need("model:reference", when="kl_coef > 0", why="whose distributions it stays close to"),
)

#: What :attr:`Supervised.denominator` may be, and what it means.
DENOMINATORS = ("global_tokens", "per_sequence", "micro")
DENOMINATOR = (
    "what the loss is divided by: global_tokens (all trained tokens of the update) | "
    "per_sequence (mean of row means) | micro (tokens of the micro-batch: a fidelity option, "
    "the result then depends on the micro-batch size)"
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
    token_weights: TokenWeights = slot("uniform", "how much each demonstrated token counts")
    denominator: str = option("global_tokens", DENOMINATOR, choices=DENOMINATORS)
    kl_coef: float = option(
        0.0, "weight of the full-vocabulary KL to the reference model (0.05 is usual)", ge=0
    )
    anchor_coef: float = option(
        0.0, "weight of the squared distance to the weights the stage started from", ge=0
    )

    def loss(self, batch: SupervisedBatch, forward: SupervisedForward) -> Loss:
        """Return the loss of a micro-batch; summed over the update batch it is the batch's loss.

        ``forward.logprobs`` are those of the labels; ``logits``, ``reference_logits`` and
        ``teacher_logits`` are asked for only when a term reads them.
        """
        mask = as_float(batch.mask)
        taught = Taught(forward, mask)
        mask = mask.to(taught.logprobs.dtype)
        weights = self.weights(batch, mask)
        tokens = self.token_loss.loss(taught)
        total = aggregate(tokens.loss, weights)
        metrics = {
            "objective/token_nll": token_metric(-taught.logprobs, mask),
            **tokens.metrics,
            **_weight_metrics(batch.weights, mask),
        }
        if self.kl_coef > 0:
            kl = full_kl(taught.logits(), taught.reference_logits())
            total = total + self.kl_coef * aggregate(kl, weights)
            metrics["objective/kl_reference"] = token_metric(kl, mask)
        return Loss(total, metrics)

    def weights(self, batch: SupervisedBatch, mask: Tensor) -> Tensor:
        """Return what multiplies the loss of every token, ``[N, T]``."""
        totals = batch.totals
        own = mask if batch.weights is None else mask * batch.weights.to(mask.dtype)
        if self.denominator == "per_sequence":
            return own / (_or_one(own.sum(-1, keepdim=True)) * max(totals.rows, 1))
        if self.denominator == "micro":
            return own / (_or_one(own.sum()) * totals.micro_batches)
        return own / ((totals.tokens if batch.weights is None else totals.weight) or 1)

    def anchor(self, parameters: Iterable[Tensor], start: Iterable[Tensor]) -> Tensor:
        """Return ``anchor_coef · Σ (θ − θ₀)²`` over all parameters; not divided by anything."""
        distances = [
            (now - before.detach()).float().square().sum()
            for now, before in zip(parameters, start, strict=True)
        ]
        return self.anchor_coef * torch.stack(distances).sum()


def _or_one(sums: Tensor) -> Tensor:
    """Return sums with 1 in the place of 0, where there is nothing to divide."""
    return torch.where(sums > 0, sums, torch.ones_like(sums))


def _weight_metrics(weights: Tensor | None, mask: Tensor) -> Metrics:
    """Return the share of tokens that count more than others, and their mean weight."""
    if weights is None:
        return {}
    raised = (weights > 1).to(mask.dtype) * mask
    return {
        "objective/key_share": token_metric(raised, mask),
        "objective/key_weight": token_metric(weights, raised),
    }
