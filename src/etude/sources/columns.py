"""From a file's columns to the names recipes use: mapping, answers inside a text, levels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from etude.errors import DataError
from etude.sources.messages import read_messages
from etude.sources.place import Place
from etude.sources.text import TEXTS, Unreadable, as_text, shown


class Table(Protocol):
    """Rows as a file holds them: by position, or one column of all (None where a row lacks it)."""

    column_names: list[str]

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> Mapping[str, Any]: ...

    def column(self, name: str) -> list[Any]:
        """Return one column of every row."""

    def where(self, position: int) -> str:
        """Return what a person finds a row by: its file and line, or its number."""


def resolve(names: str, wanted: str, available: Sequence[str], where: str, key: str) -> Place:
    """Return where ``wanted`` stands: the first place of ``a|b.c`` whose column is there.

    Raises DataError with the near spelling and the override that names the right column.
    """
    choices = [names] if names in available else names.split("|")
    for choice in choices:
        place = Place.read(choice, available)
        if place is not None:
            return place
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


@dataclass(frozen=True)
class Reading:
    """How values are read: which rule makes text of a column, whose a message is, what is left out.

    ``answer_pattern`` finds the answer inside the answer's text: its last match's first group is
    the answer, and where solution and answer are one column, what stands before that match is the
    solution. ``remove`` is deleted from solutions.
    """

    rules: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    answer_pattern: re.Pattern[str] | None = None
    remove: re.Pattern[str] | None = None


class MappedRows(Sequence[Mapping[str, Any]]):
    """A table under the names recipes use; rows are mapped when they are read.

    ``positions`` are the table's rows that count (None: all).
    """

    def __init__(
        self,
        table: Table,
        columns: Mapping[str, Place],
        reading: Reading | None = None,
        *,
        key: str,
        split: str,
        positions: NDArray[np.int64] | None = None,
    ) -> None:
        self._table = table
        self._columns = dict(columns)
        self._reading = reading or Reading()
        self._key = key
        self._split = split
        self._positions = positions
        self._shared = "solution" in columns and columns["solution"] == columns.get("answer")

    def __len__(self) -> int:
        return len(self._table) if self._positions is None else len(self._positions)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return one row under its mapped names; raises DataError where a value does not fit."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        place = self._place(position)
        raw = self._table[place]
        row = {name: self._value(name, raw, position) for name in self._columns}
        row["id"] = f"{self._split}-{place}" if row.get("id") is None else str(row["id"])
        self._split_answer(row, position)
        solution = row.get("solution")
        if self._reading.remove is not None and solution:
            row["solution"] = self._reading.remove.sub("", solution)
        if "prompt" in self._columns and not (row.get("prompt") or "").strip():
            state = "null" if row["prompt"] is None else "empty"
            raise self.refusal(position, "prompt", Unreadable(f"is {state}"))
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

    def refusal(self, position: int, name: str, problem: Unreadable) -> DataError:
        """Return the error for a value of a row: where it stands, and what may be typed."""
        place = self._columns.get(name)
        of = "" if place is None else f", column '{place}'"
        shown_as = "" if place is None or str(place) == name else f" (for {name})"
        fixes = [
            f"\n  sources.{self._key}.{fix}".replace("{name}", name).replace("COLUMN", str(place))
            for fix in problem.fixes
        ]
        row = self._table.where(self._place(position))
        return DataError(f"sources.{self._key}: {row}{of}{shown_as} {problem}{''.join(fixes)}")

    def _place(self, position: int) -> int:
        return position if self._positions is None else int(self._positions[position])

    def _value(self, name: str, raw: Mapping[str, Any], position: int) -> Any:
        """Return a column's value as whoever reads it expects it."""
        try:
            value = self._columns[name].of(raw)
            rule = self._reading.rules.get(name)
            if name == "messages":
                return (
                    None
                    if value is None
                    else read_messages(value, self._reading.roles, self._reading.left_out)
                )
            if name == "level":
                return as_level(value)
            if name == "id":
                return as_text(value)
            return as_text(value, rule) if name in TEXTS or rule is not None else value
        except Unreadable as problem:
            raise self.refusal(position, name, problem) from problem

    def _split_answer(self, row: dict[str, Any], position: int) -> None:
        text = row.get("answer")
        pattern = self._reading.answer_pattern
        if pattern is None or not isinstance(text, str):
            return
        matches = list(pattern.finditer(text))
        if matches:
            row["answer"] = matches[-1].group(1).strip()
            if self._shared:
                row["solution"] = text[: matches[-1].start()].rstrip()
        elif self._shared:
            missing = f"holds no answer that {pattern.pattern!r} finds: {text[-60:]!r}"
            raise self.refusal(position, "answer", Unreadable(missing, "answer_pattern=REGEX"))


def as_level(value: Any) -> int | None:
    """Return a level as a number (``Level 5`` is 5); None where there is none."""
    if isinstance(value, str):
        found = re.search(r"\d+", value)
        return int(found.group()) if found else None
    if value is None:
        return None
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    if not whole:
        raise Unreadable(f"is {shown(value)}, not a level (a whole number, or text with one)")
    return int(value)
