"""GSPO (arXiv 2507.18071): the ratio of whole sequences, normalised by length, is clipped.

    s_i = exp( (1/|o_i|) Σ_t (ℓ_it − ℓ°_it) )      s_it = sg[s_i] · exp(ℓ_it − sg[ℓ_it])
    L_it = max(−A·s_it, −A·clip(s_it, 1 − clip_low, 1 + clip_high))

A whole sequence is clipped or kept, and its gradient is spread equally over its tokens. The log
of s_it is clamped at 10 from above. Only with the mean over each sequence, then over sequences,
is this the method of the paper; with |o| = 1 it is the clipped surrogate of PPO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss
from etude.objective.parts import PolicyLoss
from etude.objective.policy_loss.metrics import surrogate_metrics
from etude.primitives.clip import clipped_surrogate
from etude.primitives.ratio import sequence_ratio_per_token


@component(
    source="arXiv 2507.18071",
    requires=[
        Need(
            "component:objective/aggregation=seq_mean_token_mean",
            why="because the ratio of a sequence weighs each of its tokens by 1/length",
        )
    ],
    provides=["loss:tokenwise"],
)
@dataclass(frozen=True)
class GSPO(PolicyLoss):
    """The clipped surrogate with the length-normalised ratio of the whole sequence."""

    words: ClassVar[str] = "clipped sequence ratio ({clip_low}, {clip_high})"

    clip_low: float = option(3e-4, "the sequence's ratio is clipped below 1 - clip_low", ge=0, le=1)
    clip_high: float = option(4e-4, "the sequence's ratio is clipped above 1 + clip_high", ge=0)

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        ratio = sequence_ratio_per_token(forward.logprobs, batch.old_logprobs, batch.mask)
        surrogate = clipped_surrogate(
            ratio, batch.advantages, low=self.clip_low, high=self.clip_high
        )
        metrics = surrogate_metrics(surrogate, batch.mask)
        return TokenLoss(surrogate.loss, metrics, surrogate.high | surrogate.low)
