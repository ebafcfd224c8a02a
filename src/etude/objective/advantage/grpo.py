"""Group-relative advantages (DeepSeekMath, arXiv 2402.03300).

The reward of a row is compared with the other answers to its prompt:

    A_i = (R_i − mean_g) / (std_g + ε)

on every response token. A group of one row has mean 0 and std 1; a group whose rewards are all
equal has A = 0 exactly. The published codes use the sample std (n − 1); ε is 1e-6 in verl and
1e-4 in TRL.
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
    source="arXiv 2402.03300",
    requires=[SEVERAL],
    provides=[Need(SCALE_FREE, when="scale != 'none'")],
)
@dataclass(frozen=True)
class GroupRelative(Advantage):
    """Reward minus the group's mean, divided by the group's standard deviation."""

    epsilon: float = option(1e-6, "added to the standard deviation (verl 1e-6, TRL 1e-4)", ge=0)
    std: str = option(
        "sample",
        "sample (divide the variance by n - 1) | population (by n)",
        choices=("sample", "population"),
    )
    scale: str = option(
        "group",
        "what the difference is divided by: group (its std) | batch (std of all rewards) | none",
        choices=("group", "batch", "none"),
    )

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        statistics = group_statistics(batch.rewards, batch.groups, sample=self.std == "sample")
        advantages = statistics.centre(batch.rewards)
        if self.scale == "group":
            advantages = advantages / (statistics.std + self.epsilon)
        elif self.scale == "batch":
            advantages = advantages / (self._batch_std(batch) + self.epsilon)
        return Estimate(spread(advantages, batch.mask), metrics=group_metrics(statistics))

    def _batch_std(self, batch: RolloutBatch) -> torch.Tensor:
        rewards = batch.rewards.double()
        if rewards.numel() < 2:
            return torch.ones((), dtype=torch.float64, device=rewards.device)
        return rewards.std(correction=1 if self.std == "sample" else 0)
