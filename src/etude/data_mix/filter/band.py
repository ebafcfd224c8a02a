"""Rows whose column lies in a band, such as a share of right answers known beforehand.

Skywork-OR1 (arXiv 2505.22312) sampled 16 answers to each problem from the model it trains and kept
what was right 1 to 15 times: ``column: pass_rate, low: 0.0625, high: 0.9375``. A row without the
number is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Need, Rule, component, option
from etude.data_mix.filter.kind import Filtered, RowFilter, share
from etude.errors import DataError


@component(
    source="arXiv 2505.22312",
    requires=[Need("column:{column}", why="to know which rows lie in the band")],
)
@dataclass(frozen=True)
class Band(RowFilter):
    """Keeps the rows whose number in a column lies in a band, both ends included."""

    example: ClassVar[str] = (
        "recipe=rl data_mix.filter.band=band data_mix.filter.band.column=level "
        "data_mix.filter.band.low=2 data_mix.filter.band.high=3"
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("low <= high", "is {low}, above {path}.high={high}."),
    )

    column: str = option("pass_rate", "column of the data that is looked at", form="filled")
    low: float | None = option(None, "least number of a row that is kept; null: any")
    high: float | None = option(None, "greatest number of a row that is kept; null: any")

    def columns(self) -> tuple[str, ...]:
        """Return the column that the filter reads."""
        return (self.column,)

    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which rows are kept; raises DataError for a value that is no number."""
        try:
            given = [np.nan if value is None else float(value) for value in rows[self.column]]
        except (TypeError, ValueError) as error:
            raise DataError(
                f"data_mix.filter.band.column={self.column}: a row has no number there ({error})"
            ) from error
        numbers = np.array(given)
        kept = ~np.isnan(numbers)
        if self.low is not None:
            kept &= numbers >= self.low
        if self.high is not None:
            kept &= numbers <= self.high
        return Filtered(kept, {"kept": share(kept)})
