"""OPMD's advantages (Kimi k1.5, arXiv 2501.12599; Trinity-RFT): a group baseline, no division.

    A_i = R_i − b_g      mean: b = mean_g R      logavgexp: b = τ·log(mean_g exp(R/τ))

The second is the log-partition estimate of mirror descent: it tends to the group's largest reward
as τ → 0 and to the mean as τ → ∞, and is never below the mean. A group of one row has b = 0; a
group whose rewards are all equal has A = 0 exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.component import component, option
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.groups import group_statistics


@component(source="arXiv 2501.12599", requires=[SEVERAL])
@dataclass(frozen=True)
class OPMD(Advantage):
    """Reward minus the group's mean, or minus its log-average-exponential."""

    baseline: str = option(
        "mean",
        "mean | logavgexp (temperature tau, between the mean and the largest reward)",
        choices=("mean", "logavgexp"),
    )
    tau: float = option(1.0, "temperature of the baseline logavgexp", gt=0)

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        statistics = group_statistics(batch.rewards, batch.groups)
        advantages = statistics.centre(batch.rewards)
        if self.baseline == "logavgexp":
            several = ~statistics.flat & (statistics.size > 1)
            tilted = group_log_mean_exp(batch.rewards, batch.groups, self.tau)
            advantages = torch.where(several, batch.rewards.double() - tilted, advantages)
        baseline = batch.rewards.double() - advantages
        metrics = group_metrics(statistics) | {"objective/baseline": float(baseline.mean())}
        return Estimate(spread(advantages, batch.mask), metrics=metrics)


def group_log_mean_exp(rewards: Tensor, groups: Tensor, tau: float) -> Tensor:
    """Return ``τ·(logsumexp_g(R/τ) − log n_g)`` of each row's group, float64 ``[N]``."""
    scaled = rewards.double() / tau
    ids, index = torch.unique(groups, return_inverse=True)
    zeros = scaled.new_zeros(ids.numel())
    highest = zeros.scatter_reduce(0, index, scaled, "amax", include_self=False)
    total = zeros.index_add(0, index, (scaled - highest[index]).exp())
    size = zeros.index_add(0, index, torch.ones_like(scaled))
    return (tau * (highest + total.log() - size.log()))[index]
