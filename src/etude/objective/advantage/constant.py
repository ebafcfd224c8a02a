"""The same advantage for every answer: which ones count is left to a selection.

With ``objective/selection=[correct]`` this is rejection-sampling fine-tuning (RAFT, arXiv
2304.06767): right answers are imitated and the others have no part in loss or denominator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import SCALE_FREE, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.parts import Advantage


@component(source="arXiv 2304.06767", provides=[SCALE_FREE])
@dataclass(frozen=True)
class Constant(Advantage):
    """One number for every answer, whatever its reward."""

    words: ClassVar[str] = "{value} for every row"

    value: float = option(1.0, "the advantage of every trained token")

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the same advantage for every token."""
        return Estimate(spread(batch.rewards.new_full(batch.rewards.shape, self.value), batch.mask))
