"""REINFORCE (Williams 1992): the reward itself, minus a constant.

A_i = R_i − b
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import AS_GIVEN, Need, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import Advantage


@component(source="Williams 1992", provides=[Need(AS_GIVEN, when="baseline == 0")])
@dataclass(frozen=True)
class Reinforce(Advantage):
    """The reward minus a constant baseline."""

    baseline: float = option(0.0, "constant subtracted from every reward")

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token."""
        return Estimate(spread(batch.rewards - self.baseline, batch.mask))
