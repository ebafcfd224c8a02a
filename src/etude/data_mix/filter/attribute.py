"""Rows with some attribute: those in whose column one of the given values stands.

A pipeline that trains on one kind of rows after the other (UAV-VL-R1, arXiv 2508.11196: attributes,
then objects, then spatial relations) has the same sources and another value in each stage. Where
the attribute is how difficult a row is, the parts' own ``levels`` choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etude.component import Need, component, option
from etude.data_mix.filter.kind import Filtered, RowFilter, share


@component(
    source="arXiv 2508.11196",
    requires=(Need("column:{column}", why="by which rows are kept"),),
)
@dataclass(frozen=True)
class Attribute(RowFilter):
    """Keeps the rows that have one of some values in a column."""

    example: ClassVar[str] = (
        "recipe=rl data_mix.filter='[attribute]' data_mix.filter.attribute.column=level"
        " data_mix.filter.attribute.values='[\"1\"]'"
    )

    column: str = option("task", "the column with a row's attribute", form="filled")
    values: list[str] = option([], "the values that are kept, as text; empty: all")

    def columns(self) -> tuple[str, ...]:
        """Return the column it reads."""
        return (self.column,)

    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which rows are kept."""
        given = [str(value).strip() for value in rows[self.column]]
        kept = np.array([not self.values or value in self.values for value in given], dtype=bool)
        return Filtered(kept, {"kept": share(kept)})
