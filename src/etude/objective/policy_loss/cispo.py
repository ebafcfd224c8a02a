"""CISPO (MiniMax-M1, arXiv 2506.13585): the ratio is clipped as a weight, no token is dropped.

    L = −sg[clip(r, min_ratio, max_ratio)] · A · ℓ

The bounds are ratios themselves, not distances from 1. The paper's lower bound is without effect,
and TRL's recipe takes 5.0 as the upper one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import Rule, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import PolicyLoss
from etude.primitives.ratio import token_ratio


@component(source="arXiv 2506.13585", provides=["loss:tokenwise"])
@dataclass(frozen=True)
class CISPO(PolicyLoss):
    """REINFORCE with a clipped, detached importance weight on every token."""

    words: ClassVar[str] = "importance weight clipped at {max_ratio}[ and {min_ratio}]"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("min_ratio <= max_ratio", "is {min_ratio}, above {path}.max_ratio={max_ratio}."),
    )

    min_ratio: float = option(0.0, "lower bound of the weight", ge=0)
    max_ratio: float = option(5.0, "upper bound of the weight", gt=0)

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        ratio = token_ratio(forward.logprobs, batch.old_logprobs).detach()
        weight = ratio.clamp(self.min_ratio, self.max_ratio)
        metrics = {
            "objective/clip_fraction": token_metric(weight != ratio, batch.mask),
            "objective/clip_fraction_high": token_metric(ratio > self.max_ratio, batch.mask),
            "objective/clip_fraction_low": token_metric(ratio < self.min_ratio, batch.mask),
        }
        return TokenLoss(-weight * batch.advantages * forward.logprobs, metrics)
