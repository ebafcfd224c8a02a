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


#: Where earlier stages wrote the rows that a source reads: one folder, or one for each stage.
StageRows = Path | tuple[Path, ...] | None


#: What a source provides that is :class:`Parametric`; a curriculum that has rows made requires it.
PARAMETRIC = "rows:parameters"


#: What a source that makes rows provides whose first ones are to be looked at before anything
#: starts, because only making them shows whether what its config asks for is there.
LOOKED_AT = "rows:looked_at"


#: What a source provides whose right answers are plain numbers: whoever judges answers reads them.
NUMBERS = "answers:numbers"


class Parametric(Protocol):
    """A source that also makes rows on demand, from parameters that are any numbers in a range."""

    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """Return what :meth:`generate` reads: name → (least value, greatest value)."""

    def generate(self, parameters: Mapping[str, float], key: int) -> Mapping[str, Any]:
        """Return a row like those of the split ``train``, never one that is held out.

        ``key`` decides everything random in it: equal arguments give equal rows. Raises DataError
        for parameters that there are not or that are out of range.
        """


class Source(Protocol):
    """A component of the group ``sources``: where rows come from."""

    def rows(self, split: str, seed: int, folder: StageRows = None, key: str = "NAME") -> Rows:
        """Return the rows of ``split``; the same arguments give the same rows in the same order.

        ``folder`` is where earlier stages wrote rows, for a source that reads stages. ``key``
        is the name of the source in the config and only serves messages. Raises DataError.
        """

    def files(self) -> list[Path]:
        """Return the local files that rows come from, sorted; empty when there are none."""
