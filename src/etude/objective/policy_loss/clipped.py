"""The clipped surrogate of PPO (arXiv 1707.06347), as GRPO and DAPO use it.

    r = exp(ℓ − ℓ°)      L = max(−A·r, −A·clip(r, 1 − clip_low, 1 + clip_high))

The log-ratio is clamped to ±20 first. ``dual_clip`` c (arXiv 1912.09729) caps the loss of a
negative advantage at −A·c: no gradient beyond r = c. ``delta`` (TRL) caps the ratio of the
unclipped branch instead. At r = 1 the gradient is that of REINFORCE, −A for every token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss
from etude.objective.parts import PolicyLoss
from etude.objective.policy_loss.metrics import surrogate_metrics
from etude.primitives.clip import clipped_surrogate
from etude.primitives.ratio import token_ratio


@component(source="arXiv 1707.06347", provides=["loss:tokenwise"])
@dataclass(frozen=True)
class Clipped(PolicyLoss):
    """The importance-weighted advantage, clipped to a band around ratio 1."""

    words: ClassVar[str] = (
        "clipped ({clip_low}, {clip_high})[, dual clip {dual_clip}][, delta {delta}]"
    )

    clip_low: float = option(0.2, "the ratio is clipped below 1 - clip_low", ge=0, le=1)
    clip_high: float = option(0.2, "the ratio is clipped above 1 + clip_high", ge=0)
    dual_clip: float | None = option(
        None, "largest loss of a negative advantage, in -A (verl 3.0); null: no limit", gt=1
    )
    delta: float | None = option(
        None, "cap of the ratio in the unclipped branch (TRL's delta); null: no cap", gt=0
    )

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        surrogate = clipped_surrogate(
            token_ratio(forward.logprobs, batch.old_logprobs),
            batch.advantages,
            low=self.clip_low,
            high=self.clip_high,
            dual=self.dual_clip,
            delta=self.delta,
        )
        clipped = surrogate.high | surrogate.low | surrogate.dual
        return TokenLoss(surrogate.loss, surrogate_metrics(surrogate, batch.mask), clipped)
