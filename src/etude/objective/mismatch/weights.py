"""Importance weights between sampler and trainer, of tokens or of sequences, cut off or masked.

With ρ = exp(ℓ° − ℓ_sampler) of a token, Π_t ρ_t of its sequence, or their geometric mean
(Π_t ρ_t)^(1/length):

    truncate   w = min(max(ρ, low), high)
    mask       w = ρ where low ≤ ρ ≤ high, else 0        (weigh: false → 1 where, else 0)

w is constant and multiplies the gradient of every trained token of the policy loss; a token that
nobody sampled (a given prefix, a demonstration) has weight 1 and no part in its sequence's ratio.
Log-ratios are clamped to ±20.

Denominators are those of the whole update batch. A masked token counts in them with weight 0, as
in the estimators of the sources; ``denominator: kept`` leaves it out of the loss altogether, also
of the terms beside the policy loss, which is rejection sampling (verl).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Rule, component, option
from etude.objective.batch import LossBatch, RolloutBatch
from etude.objective.mismatch.kind import Mismatch, of_sampler, sampled_tokens
from etude.primitives.mismatch import LEVELS, mismatch_ratio


@component()
@dataclass(frozen=True)
class ImportanceWeights(Mismatch):
    """Multiplies the gradient by the ratio of trainer to sampler, within bounds."""

    words: ClassVar[str] = (
        "sampler corrected by {level} ratios, {beyond} beyond [{low} … ]{high}"
        "[built_in?|, off with the built-in engine]"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "low < high",
            "is {low}, and ratios are kept between it and {path}.high={high}, which has to be "
            "above it.",
            key="low",
        ),
        Rule(
            "weigh or beyond == 'mask'",
            "is false, and {path}.beyond is {beyond}: without weights there is nothing to cut off. "
            "Type {path}.beyond=mask",
            key="weigh",
        ),
        Rule(
            "denominator == 'all' or beyond == 'mask'",
            "is {denominator}, and {path}.beyond is {beyond}, which drops nothing. "
            "Type {path}.beyond=mask",
            key="denominator",
        ),
    )

    level: str = option(
        "token",
        "what one ratio is of: token | sequence (the product over its tokens) | geometric (their "
        "geometric mean)",
        choices=LEVELS,
    )
    beyond: str = option(
        "truncate",
        "what becomes of a ratio beyond the bounds: truncate (it is the bound) | mask (weight 0)",
        choices=("truncate", "mask"),
    )
    high: float = option(2.0, "largest ratio", gt=0)
    low: float | None = option(None, "least ratio; null: any", gt=0)
    weigh: bool = option(True, "weigh by the ratio; false: 1 within the bounds, which only drops")
    denominator: str = option(
        "all",
        "what the loss is divided by: all (masked tokens count, with weight 0) | kept (they leave "
        "the loss)",
        choices=("all", "kept"),
    )
    built_in: bool = option(
        False,
        "correct also what the built-in engine sampled, whose log-probs are the trainer's up to "
        "rounding (on a GPU that of bfloat16); false: no weights there, and no pass for them",
    )

    def ratio(self, batch: LossBatch | RolloutBatch) -> Tensor:
        """Return the ratio at every token, ``[N, T]``, 1 where nothing was sampled."""
        drawn = sampled_tokens(batch)
        return mismatch_ratio(batch.old_logprobs, of_sampler(batch), drawn, self.level)

    def outside(self, batch: LossBatch | RolloutBatch) -> Tensor:
        """Return which sampled tokens have a ratio beyond the bounds, boolean ``[N, T]``."""
        return self._beyond(self.ratio(batch)) & (sampled_tokens(batch) > 0)

    def weights(self, batch: LossBatch | RolloutBatch) -> Tensor:
        """Return the constant weight of every token, ``[N, T]``, 1 where nothing was sampled."""
        ratio = self.ratio(batch)
        if self.beyond == "truncate":
            weights = ratio.clamp(min=self.low, max=self.high)
        else:
            inside = ratio if self.weigh else torch.ones_like(ratio)
            weights = inside.masked_fill(self._beyond(ratio), 0.0)
        return torch.where(sampled_tokens(batch) > 0, weights, 1.0)

    def correct(self, batch: LossBatch) -> LossBatch:
        """Return the rows of a step with weights, and a mask without what is left out."""
        weighted = dataclasses.replace(batch, rollout_weights=self.weights(batch))
        if self.denominator == "all":
            return weighted
        kept = (~self.outside(batch)).to(batch.mask.dtype)
        return dataclasses.replace(weighted, mask=batch.mask * kept)

    def _beyond(self, ratio: Tensor) -> Tensor:
        above = ratio > self.high
        return above if self.low is None else above | (ratio < self.low)
