"""Signed rewards (NSR, PSR, W-REINFORCE; arXiv 2506.01347): right or wrong, and no baseline.

    A = positive_weight if the answer is right, else −1

Every group counts, also one whose answers are all alike. The published code can scale the loss of
right answers instead of their advantage; under one denominator that is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from etude.component import SCALE_FREE, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import Advantage


@component(
    source="arXiv 2506.01347",
    provides=[SCALE_FREE],
)
@dataclass(frozen=True)
class Signed(Advantage):
    """A constant for right answers and -1 for wrong ones."""

    words: ClassVar[str] = "{positive_weight} where {metric} is above {above}, else -1"

    positive_weight: float = option(1.0, "advantage of a right answer", ge=0)
    metric: str = option(
        "accuracy",
        "what is looked at: a part of the verifier, or reward (the sum)",
        form="part or reward",
    )
    above: float = option(0.0, "an answer is right when its metric is larger")

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        metric, applies = batch.metric(self.metric)
        right = metric > self.above
        signs = torch.where(right, self.positive_weight, -1.0).to(batch.rewards.dtype) * applies
        share = float(right.double().mean()) if right.numel() else 0.0
        return Estimate(spread(signs, batch.mask), metrics={"objective/right_rows": share})
