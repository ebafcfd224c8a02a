"""The rows that returned most (the top-x% baseline of Trajectory Weighting, ICLR 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Need, component, option
from etude.data_mix.filter.kind import Filtered, RowFilter
from etude.data_mix.numbers import numbers
from etude.primitives.trajectories import best_first


@component(
    source="OpenReview OhUAblg27z",
    requires=(Need("column:{column}", why="by which rows are kept"),),
)
@dataclass(frozen=True)
class TopReturns(RowFilter):
    """Keeps the share of a part's rows that returned most; of equal ones the first."""

    example: ClassVar[str] = (
        "recipe=expert_iteration stages.sample.objective.keep=all"
        " sources.generated.columns.reward=reward"
        " stages.improve.data_mix.filter='[top_returns]'"
    )

    column: str = option("reward", "the column with what a row returned", form="filled")
    fraction: float = option(0.1, "share of the rows that is kept, at least one row", gt=0, le=1)

    def columns(self) -> tuple[str, ...]:
        """Return the column it reads."""
        return (self.column,)

    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which rows are kept; raises DataError for what is no number."""
        returns = numbers(rows[self.column], self.column)
        kept = np.zeros(len(returns), dtype=bool)
        kept[best_first(returns, self.fraction)] = True
        findings = {
            "kept_return": float(returns[kept].mean()),
            "mean_return": float(returns.mean()),
        }
        return Filtered(kept, findings)
