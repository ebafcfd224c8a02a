"""Asymmetric REINFORCE (arXiv 2506.20520): the group's mean, shifted down, as baseline.

    A_i = R_i − (mean_g + shift)

A shift below 0 makes good answers weigh more than bad ones, which keeps off-policy training
stable; at 0 or above it can collapse. It adds shift·ℓ to the loss, a likelihood term: even a group
whose answers are all wrong is pulled a little towards them. A group of one row has baseline 0 and
no shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from etude.component import component, option
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.groups import group_statistics


@component(source="arXiv 2506.20520", requires=[SEVERAL])
@dataclass(frozen=True)
class AsymRE(Advantage):
    """Reward minus the group's mean and a negative shift."""

    shift: float = option(-0.1, "added to the baseline; above 0 is unstable off-policy")

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        statistics = group_statistics(batch.rewards, batch.groups)
        single = statistics.size == 1
        centred = statistics.centre(batch.rewards)
        advantages = torch.where(single, centred, centred - self.shift)
        metrics = group_metrics(statistics) | {
            "objective/baseline": float((batch.rewards.double() - advantages).mean()),
            "objective/positive_advantages": float((advantages > 0).double().mean()),
        }
        return Estimate(spread(advantages, batch.mask), metrics=metrics)
