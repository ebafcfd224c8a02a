"""What a source of rows is: random access by position, or one column of every row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Rows(Protocol):
    """The rows of one split, read by position; nothing is copied that is not asked for.

    A row is a mapping of mapped column names to values; ``id`` (a string, unique within the split)
    and ``prompt`` are always there.
    """

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, position: int, /) -> Mapping[str, Any]:
        """Return the row at ``position`` (0 to ``len - 1``)."""

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all), in that order.

        Raises DataError when there is no such column.
        """


class Source(Protocol):
    """A component of the group ``sources``: where rows come from."""

    def rows(self, split: str, seed: int, folder: Path | None = None, key: str = "NAME") -> Rows:
        """Return the rows of ``split``; the same arguments give the same rows in the same order.

        ``folder`` is where an earlier stage wrote rows, for a source that reads a stage. ``key``
        is the name of the source in the config and only serves messages. Raises DataError.
        """

    def files(self) -> list[Path]:
        """Return the local files that rows come from, sorted; empty when there are none."""
