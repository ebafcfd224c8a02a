"""REINFORCE leave-one-out (arXiv 2402.14740): the other answers' mean reward as baseline.

    A_i = R_i − mean_{j≠i} R_j = n/(n−1) · (R_i − mean_g)

A row that is alone in its group keeps its reward. ``whiten`` (TRL) subtracts the mean of all rows
of the batch and divides by their sample std + 1e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from etude.component import SCALE_FREE, Need, component, option
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.groups import group_statistics


@component(
    source="arXiv 2402.14740",
    requires=[SEVERAL],
    provides=[Need(SCALE_FREE, when="whiten == true")],
)
@dataclass(frozen=True)
class LeaveOneOut(Advantage):
    """Reward minus the mean reward of the other answers to the prompt."""

    whiten: bool = option(False, "whiten the advantages over all rows of the batch, as TRL can")

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        statistics = group_statistics(batch.rewards, batch.groups)
        size = statistics.size
        advantages = statistics.centre(batch.rewards) * size / (size - 1).clamp(min=1)
        if self.whiten and advantages.numel() > 1:
            advantages = (advantages - advantages.mean()) / (torch.std(advantages) + 1e-4)
        return Estimate(spread(advantages, batch.mask), metrics=group_metrics(statistics))
