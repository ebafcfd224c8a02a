"""The group's mean off, then one normalisation over the rows of the batch (ProRL v2, BroRL).

    c_i = R_i − mean_g      A_i = (c_i − mean(c)) / (std(c) + ε)      over all rows of the step

on every response token: no group is divided by a spread of its own, so that a prompt whose answers
nearly all agree is not made as loud as one whose answers differ. Each row counts once, whatever its
length. Where all c are alike, as in a step of groups without signal, the advantages are 0. Groups
without signal that are kept count in mean and std; ``objective/filter=dynamic_sampling`` leaves
them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.component import SCALE_FREE, component, option
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.groups import group_statistics


@component(source="arXiv 2510.01180", requires=[SEVERAL], provides=[SCALE_FREE])
@dataclass(frozen=True)
class WholeBatch(Advantage):
    """Reward minus the group's mean, normalised over the rows of the batch."""

    std: str = option(
        "sample",
        "sample (divide the variance by n - 1) | population (by n)",
        choices=("sample", "population"),
    )
    epsilon: float = option(1e-8, "added to the standard deviation", ge=0)

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        statistics = group_statistics(batch.rewards, batch.groups)
        alone = statistics.size == 1  # the mean of a single answer is its own reward
        centred = statistics.centre(batch.rewards).masked_fill(alone, 0.0)
        scaled = self._normalised(centred.double(), (batch.lengths > 0).double())
        advantages = spread(scaled.to(centred.dtype), batch.mask)
        return Estimate(advantages, metrics=group_metrics(statistics))

    def _normalised(self, values: Tensor, counted: Tensor) -> Tensor:
        """Return ``values [N]`` without mean and spread; rows of no token are not ``counted``."""
        count = counted.sum()
        rest = values - (values * counted).sum() / count.clamp(min=1.0)
        freedom = (count - float(self.std == "sample")).clamp(min=1.0)
        deviation = ((rest.square() * counted).sum() / freedom).sqrt()
        alike = deviation <= 1e-12 * (values.abs() * counted).sum().clamp(min=1.0)
        return torch.where(alike, torch.zeros_like(rest), rest / (deviation + self.epsilon))
