"""Dr. GRPO's advantages (arXiv 2503.20783): the group's mean as baseline, and no division.

    A_i = R_i − mean_g

The division by the group's std favours questions that are nearly solved or nearly unsolved; this
estimator leaves it out. A group of one row has mean 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.groups import group_statistics


@component(source="arXiv 2503.20783", requires=[SEVERAL])
@dataclass(frozen=True)
class GroupCentred(Advantage):
    """Reward minus the group's mean."""

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        statistics = group_statistics(batch.rewards, batch.groups)
        centred = statistics.centre(batch.rewards)
        return Estimate(spread(centred, batch.mask), metrics=group_metrics(statistics))
