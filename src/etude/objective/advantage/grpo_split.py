"""Group-relative advantages whose mean and std are those of the policy's own answers (RL-PLUS).

    A_i = (R_i − mean_g) / (std_g + ε)      mean_g, std_g over the rows of g without given tokens

Demonstrations are measured by what the policy reaches without them (arXiv 2508.00222, a variant in
the released code). A std of 0 counts as 1; a group with one own row has mean 0 and std 1, and so
has one with none. Without demonstrations it is GRPO's, whatever a flat group's rows are divided by.
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
    source="arXiv 2508.00222",
    requires=[SEVERAL],
    provides=[Need(SCALE_FREE, when="scale != 'none'")],
)
@dataclass(frozen=True)
class SplitGroupRelative(Advantage):
    """Reward minus the mean of the group's own answers, divided by their standard deviation."""

    epsilon: float = option(1e-6, "added to the standard deviation", ge=0)
    scale: str = option(
        "group",
        "what the difference is divided by: group (its std) | none",
        choices=("group", "none"),
    )

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        own = torch.ones_like(batch.groups, dtype=torch.bool)
        if batch.off_policy is not None:
            own = ~(batch.off_policy > 0).any(-1)
        known = group_statistics(batch.rewards[own], batch.groups[own])
        _, index = torch.unique(batch.groups, return_inverse=True)
        rewards = batch.rewards.double()
        mean = torch.zeros_like(rewards).index_put((index[own],), known.mean)
        std = torch.ones_like(rewards).index_put((index[own],), known.std)
        advantages = rewards - mean[index]
        flat = torch.zeros_like(own)
        flat[own] = known.flat
        advantages = torch.where(flat, torch.zeros_like(advantages), advantages)
        if self.scale == "group":
            divisor = torch.where(std > 0, std, torch.ones_like(std))
            advantages = advantages / (divisor[index] + self.epsilon)
        metrics = group_metrics(group_statistics(batch.rewards, batch.groups))
        return Estimate(spread(advantages, batch.mask), metrics=metrics)
