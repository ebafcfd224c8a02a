"""No advantages: for losses that read rewards themselves and weigh answers on their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from etude.component import Need, component
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate
from etude.objective.parts import Advantage


@component(
    requires=[Need("loss:reward-reading", why="because every advantage is 0 and moves nothing")]
)
@dataclass(frozen=True)
class NoAdvantage(Advantage):
    """No advantages; the policy loss reads the rewards."""

    words: ClassVar[str] = "none (the loss reads the rewards)"

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return 0 for every token."""
        return Estimate(torch.zeros_like(batch.mask))
