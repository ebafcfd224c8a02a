"""Which rows of a file count: conditions on columns."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.component import option
from etude.errors import DataError
from etude.sources.columns import Table
from etude.sources.place import Place
from etude.sources.text import Unreadable

OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, wanted: value in wanted,
    "not in": lambda value, wanted: value not in wanted,
    "contains": lambda value, wanted: wanted in value,
    "matches": lambda value, wanted: re.search(wanted, str(value)) is not None,
}


@dataclass(frozen=True)
class Condition:
    """A row is kept where ``<column> <op> <value>`` holds; a row without a value is dropped."""

    column: str = option("", "a column of the file, or a mapped name")
    op: str = option("==", "how it is compared", choices=tuple(OPERATIONS))
    value: Any = option(
        None,
        "what it is compared with (a list for in and not in)",
        form="regex",
        form_when="op == 'matches'",
    )

    def holds(self, value: Any) -> bool:
        """Return whether a value passes.

        Text is read as a number where it is compared with one (a CSV file holds text alone).
        Raises TypeError or ValueError where the two cannot be compared.
        """
        if value is None:
            return False
        wanted = self.value if isinstance(self.value, list) else [self.value]
        numbers = bool(wanted) and all(type(each) in (int, float) for each in wanted)
        if isinstance(value, str) and numbers and self.op not in ("contains", "matches"):
            value = float(value)
        return bool(OPERATIONS[self.op](value, self.value))


def kept_positions(
    table: Table, conditions: Sequence[Condition], columns: Mapping[str, Place], key: str
) -> NDArray[np.int64]:
    """Return the positions of the rows that every condition keeps."""
    keep = np.ones(len(table), dtype=bool)
    for number, condition in enumerate(conditions):
        place = columns.get(condition.column) or Place.read(condition.column, table.column_names)
        if place is None:
            near = get_close_matches(condition.column, [*table.column_names, *columns], 1, 0.6)
            raise DataError(
                f"sources.{key}.filter[{number}]: there is no column '{condition.column}'; there"
                f" are {', '.join(table.column_names)}."
                + (f" Did you mean {near[0]}?" if near else "")
            )
        for position, value in enumerate(table.column(place.column)):
            try:
                keep[position] &= condition.holds(place.within(value))
            except (TypeError, ValueError, re.error) as error:
                said = f"column '{place}' {error}" if isinstance(error, Unreadable) else error
                raise DataError(
                    f"sources.{key}.filter[{number}]: '{condition.column} {condition.op}"
                    f" {condition.value!r}' cannot be evaluated for {table.where(position)}: {said}"
                ) from error
    return np.flatnonzero(keep)
