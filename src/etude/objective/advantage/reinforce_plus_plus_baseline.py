"""REINFORCE++-baseline (arXiv 2501.03262): the group's mean off, then whitened over the batch.

    A_i = R_i − mean_g on every token, then (A − mean) / √(var + 1e-8) over all response tokens.

A row that is alone in its group has mean 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import SCALE_FREE, component
from etude.objective.advantage.metrics import group_metrics
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import SEVERAL, Advantage
from etude.primitives.groups import group_statistics
from etude.primitives.masked import as_float, whiten


@component(source="arXiv 2501.03262", requires=[SEVERAL], provides=[SCALE_FREE])
@dataclass(frozen=True)
class WhitenedGroupCentred(Advantage):
    """Reward minus the group's mean, whitened over all response tokens of the batch."""

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        statistics = group_statistics(batch.rewards, batch.groups)
        centred = spread(statistics.centre(batch.rewards), batch.mask)
        whitened = whiten(centred, as_float(batch.mask))
        return Estimate(whitened, metrics=group_metrics(statistics))
