"""A source of rows that is a plain function: ``rows(split)`` → dicts that have a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from etude.by_path.call import Call, CallError
from etude.by_path.files import read
from etude.component import Declaration
from etude.data_mix.filter.kind import Filtered, RowFilter, share
from etude.errors import DataError
from etude.sources.interface import StageRows

#: More rows than this are no list that a function makes; a file holds them.
MOST_ROWS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class FunctionSource:
    """A function of a file that returns or yields the rows of a split."""

    call: Call
    declaration: Declaration

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "NAME"
    ) -> FunctionRows:
        """Return the rows of ``split``; raises DataError where the function fails."""
        return _rows(_Key.of(self.call, split, key))

    def first_look(self, split: str, key: str = "NAME") -> tuple[FunctionRows, bool] | None:
        """Return the first rows of a split, made in another process, and whether these are all.

        None where they take long; raises DataError as :meth:`rows` does.
        """
        found = _first(_Key.of(self.call, split, key))
        return None if found is None else (FunctionRows(found[0]), found[1])

    def files(self) -> list[Path]:
        """Return nothing: what the function reads is not known."""
        return []


@dataclass(frozen=True, kw_only=True)
class FunctionRowFilter(RowFilter):
    """A function of a file that says of each row whether it is trained on."""

    call: Call
    declaration: Declaration

    def columns(self) -> tuple[str, ...]:
        """Return the columns that the function asks for."""
        return self.call.asks

    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which rows the function keeps; raises DataError where it fails."""
        try:
            kept = [
                self.call.truth(self.call(dict(zip(rows, values, strict=True))), "row")
                for values in zip(*rows.values(), strict=True)
            ]
        except CallError as error:
            raise DataError(f"data_mix.filter: {error}") from error
        flags = np.array(kept, dtype=bool)
        return Filtered(flags, {"dropped": 1.0 - share(flags)})


@dataclass(frozen=True)
class _Key:
    """What rows are kept by: the call, and what the file said when it was made."""

    call: Call
    split: str
    key: str
    digest: str

    @classmethod
    def of(cls, call: Call, split: str, key: str) -> _Key:
        return cls(call, split, key, read(call.file).digest)

    def __hash__(self) -> int:  # options may be lists
        return hash((self.call.file, self.call.attribute, self.split, self.digest))


@lru_cache(maxsize=16)
def _rows(key: _Key) -> FunctionRows:
    """Return a split's rows, made once: training, measuring and looking ask for the same."""
    return FunctionRows(made(key.call, key.split, key.key))


@lru_cache(maxsize=16)
def _first(key: _Key) -> tuple[list[Mapping[str, Any]], bool] | None:
    from etude.by_path.first_rows import first_rows

    return first_rows(key.call, key.split, key.key)


def made(call: Call, split: str, key: str, at_most: int = MOST_ROWS + 1) -> list[Mapping[str, Any]]:
    """Return the rows that a function makes of a split, of a long list the first ``at_most``.

    Raises DataError where the function fails or gives what are no rows.
    """
    where = f"sources.{key}"
    try:
        returned = call({"split": split})
    except CallError as error:
        raise DataError(f"{where}: {error}") from error
    if isinstance(returned, (str, bytes, Mapping)) or not isinstance(returned, Iterable):
        raise DataError(
            f"{where}: {call.title} returned a {type(returned).__name__}; it returns or yields"
            " dicts, each a row"
        )
    try:
        found = list(islice(returned, at_most))
    except Exception as error:  # a generator of the person's raises while it is read
        raise DataError(f"{where}: {call.told(error)}") from error
    if len(found) > MOST_ROWS:
        raise DataError(f"{where}: {call.title} yields more than {MOST_ROWS:,} rows")
    return _checked(found, call, where, split)


def _checked(found: list[Any], call: Call, where: str, split: str) -> list[Mapping[str, Any]]:
    """Return the rows with an id each; raises DataError for one that is none."""
    if not found:
        raise DataError(f"{where}: {call.title} has no rows for the split '{split}'")
    rows: list[Mapping[str, Any]] = []
    ids: set[str] = set()
    for number, row in enumerate(found):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{where}: row {number} of {call.title} is a {type(row).__name__}; a row is a dict"
                " of its columns"
            )
        if not isinstance(row.get("prompt"), str):
            raise DataError(
                f"{where}: row {number} of {call.title} has no text 'prompt'; it has"
                f" {', '.join(map(str, row)) or 'nothing'}"
            )
        name = str(row.get("id", number))
        if name in ids:
            raise DataError(f"{where}: rows of {call.title} have the same id '{name}'")
        ids.add(name)
        rows.append({**{str(column): value for column, value in row.items()}, "id": name})
    return rows


class FunctionRows(Sequence[Mapping[str, Any]]):
    """Rows that a function made."""

    def __init__(self, rows: list[Mapping[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row at ``position``."""
        return self._rows[position]

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column, null where a row lacks it; raises DataError where all do."""
        if not any(name in row for row in self._rows):
            known = dict.fromkeys(column for row in self._rows for column in row)
            raise DataError(f"there is no column '{name}'; the rows have {', '.join(known)}")
        places = range(len(self)) if positions is None else positions
        return [self._rows[int(place)].get(name) for place in places]
