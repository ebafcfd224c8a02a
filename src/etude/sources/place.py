"""Where a value stands in a row: a column, then keys and list indices inside what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from etude.sources.text import Unreadable, shown

#: Divides a path; ``\\.`` is a dot that belongs to a key.
_DOT = re.compile(r"(?<!\\)\.")


@dataclass(frozen=True)
class Place:
    """A column of a file and what is taken from inside its values: ``reward_model.ground_truth``.

    ``inside`` are keys of mappings and indices of lists (``0`` the first, ``-1`` the last).
    """

    column: str
    inside: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str, available: Sequence[str]) -> Place | None:
        """Return the place a text names, None where its column is none of ``available``.

        A column whose whole name it is comes first, then the longest that it begins with; a dot
        that is part of a key inside is written ``\\.``.
        """
        if text in available:
            return cls(text)
        parts = [part.replace("\\.", ".") for part in _DOT.split(text)]
        for end in range(len(parts), 0, -1):
            column = ".".join(parts[:end])
            if column in available:
                return cls(column, tuple(parts[end:]))
        return None

    def __str__(self) -> str:
        return ".".join([self.column, *(part.replace(".", "\\.") for part in self.inside)])

    def of(self, row: Mapping[str, Any]) -> Any:
        """Return the value in a row, None where it is missing; raises :class:`Unreadable`."""
        return self.within(row.get(self.column))

    def within(self, value: Any) -> Any:
        """Return what stands inside a column's value."""
        for part in self.inside:
            if value is None:
                return None
            value = _step(value, part)
        return value

    def misspelt(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        """Return what to say where no row has the place, None where one has it."""
        keys: dict[str, None] = {}
        for row in rows:
            try:
                if self.of(row) is not None:
                    return None
            except Unreadable:
                return None  # the row that holds it says so with its number
            value: Any = row.get(self.column)
            for part in self.inside:
                if isinstance(value, Mapping) and part not in value:
                    keys.update(dict.fromkeys(map(str, value)))
                value = None if value is None else _step(value, part)
        if not keys:
            return None
        near = [match for part in self.inside for match in get_close_matches(part, keys, 1, 0.6)]
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"nothing stands at '{self}'; there is {', '.join(keys)}.{hint}"


def _step(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, (list, tuple)):
        if not re.fullmatch(r"-?\d{1,9}", part):
            raise Unreadable(f"is a list of {len(value)}: '{part}' is no index (0, 1, … or -1)")
        index = int(part)
        return value[index] if -len(value) <= index < len(value) else None
    raise Unreadable(f"has nothing inside it ('{part}' is asked for): it is {shown(value)}")
