"""From a file's columns to the names recipes use: mapping, answers inside a text, filters."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from etude.component import option
from etude.errors import DataError


class Table(Protocol):
    """Rows as a file holds them: by position, or one column of all (None where a row lacks it)."""

    column_names: list[str]

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> Mapping[str, Any]: ...

    def column(self, name: str) -> list[Any]:
        """Return one column of every row."""


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
    value: Any = option(None, "what it is compared with (a list for in and not in)")

    def holds(self, value: Any) -> bool:
        """Return whether a value passes; raises TypeError where the two cannot be compared."""
        return value is not None and bool(OPERATIONS[self.op](value, self.value))


def resolve(names: str, wanted: str, available: Sequence[str], where: str, key: str) -> str:
    """Return the file's column for ``wanted``: the first of ``a|b|c`` that is there.

    Raises DataError with the near spelling and the override that names the right column.
    """
    choices = [names] if names in available else names.split("|")
    for choice in choices:
        if choice in available:
            return choice
    near = [
        match
        for choice in [*choices, wanted]
        for match in get_close_matches(choice, available, 1, 0.6)
    ]
    hint = f" Did you mean {near[0]}?" if near else ""
    listed = " or ".join(f"'{choice}'" for choice in choices)
    raise DataError(
        f"sources.{key}: {where} has no column {listed} (for {wanted});"
        f" it has {', '.join(available)}.{hint}\n"
        f"  sources.{key}.columns.{wanted}={near[0] if near else 'NAME'}"
    )


class MappedRows(Sequence[Mapping[str, Any]]):
    """A table under the names recipes use; rows are mapped when they are read.

    ``positions`` are the table's rows that count (None: all). ``answer_pattern`` finds the answer
    inside the answer's text: its last match's first group is the answer, and where solution and
    answer are one column, what stands before that match is the solution.
    """

    def __init__(
        self,
        table: Table,
        columns: Mapping[str, str],
        *,
        key: str,
        split: str,
        positions: NDArray[np.int64] | None = None,
        answer_pattern: re.Pattern[str] | None = None,
        remove: re.Pattern[str] | None = None,
    ) -> None:
        self._table = table
        self._columns = dict(columns)
        self._key = key
        self._split = split
        self._positions = positions
        self._answer_pattern = answer_pattern
        self._remove = remove
        self._shared = "solution" in columns and columns["solution"] == columns.get("answer")

    def __len__(self) -> int:
        return len(self._table) if self._positions is None else len(self._positions)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return one row under its mapped names; raises DataError where it has no prompt."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        place = position if self._positions is None else int(self._positions[position])
        raw = self._table[place]
        row = {name: raw.get(column) for name, column in self._columns.items()}
        row["id"] = f"{self._split}-{place}" if row.get("id") is None else str(row["id"])
        for name in ("prompt", "solution", "answer"):
            if name in row:
                row[name] = as_text(row[name], joined=name == "answer")
        self._split_answer(row)
        solution = row.get("solution")
        if self._remove is not None and solution:
            row["solution"] = self._remove.sub("", solution)
        if "level" in row:
            row["level"] = as_level(row["level"])
        if "prompt" in self._columns and not row.get("prompt"):
            raise DataError(
                f"sources.{self._key}: row {row['id']} of the split {self._split} has no prompt"
                f" (column '{self._columns['prompt']}')"
            )
        return row

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one mapped column of the rows at ``positions`` (None: of all)."""
        if name != "id" and name not in self._columns:
            raise DataError(
                f"sources.{self._key} has no column '{name}'; it has {', '.join(self._columns)}:"
                f" type sources.{self._key}.columns.{name}=NAME"
            )
        places = range(len(self)) if positions is None else positions
        return [self[int(place)][name] for place in places]

    def _split_answer(self, row: dict[str, Any]) -> None:
        text = row.get("answer")
        if self._answer_pattern is None or text is None:
            return
        matches = list(self._answer_pattern.finditer(text))
        if matches:
            row["answer"] = matches[-1].group(1).strip()
            if self._shared:
                row["solution"] = text[: matches[-1].start()].rstrip()
        elif self._shared:
            raise DataError(
                f"sources.{self._key}: row {row['id']} of the split {self._split}: the pattern"
                f" {self._answer_pattern.pattern!r} finds no answer in its text {text[-60:]!r}:"
                f" type sources.{self._key}.answer_pattern=REGEX"
            )


def as_text(value: Any, *, joined: bool) -> str | None:
    """Return a column as text: 51.0 as ``51``, a list joined by commas or its first entry."""
    if isinstance(value, (list, tuple)):
        texts = [as_text(item, joined=joined) or "" for item in value]
        return ", ".join(texts) if joined else (texts[0] if texts else None)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)


def as_level(value: Any) -> int | None:
    """Return a level as a number (``Level 5`` is 5); None where there is none."""
    if isinstance(value, str):
        found = re.search(r"\d+", value)
        return int(found.group()) if found else None
    return None if value is None else int(value)


def kept_positions(
    table: Table,
    conditions: Sequence[Condition],
    columns: Mapping[str, str],
    key: str,
) -> NDArray[np.int64]:
    """Return the positions of the rows that every condition keeps."""
    keep = np.ones(len(table), dtype=bool)
    for number, condition in enumerate(conditions):
        name = columns.get(condition.column, condition.column)
        if name not in table.column_names:
            near = get_close_matches(name, [*table.column_names, *columns], 1, 0.6)
            raise DataError(
                f"sources.{key}.filter[{number}]: there is no column '{condition.column}'; there"
                f" are {', '.join(table.column_names)}."
                + (f" Did you mean {near[0]}?" if near else "")
            )
        try:
            keep &= np.array([condition.holds(value) for value in table.column(name)], dtype=bool)
        except (TypeError, re.error) as error:
            raise DataError(
                f"sources.{key}.filter[{number}]: '{condition.column} {condition.op}"
                f" {condition.value!r}' cannot be evaluated: {error}"
            ) from error
    return np.flatnonzero(keep)
