"""Problems that are each offered several times, with ever more of a worked solution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from etude.component import component, option
from etude.sources.columns import MappedRows
from etude.sources.dataset import Dataset
from etude.sources.interface import Rows
from etude.sources.solution_chunks import chunks

#: What rows have beyond their mapped columns.
COLUMNS = ("opened", "hint_level")


@component(
    source="arXiv 2506.04723",
    provides=[f"column:{name}" for name in ("id", "prompt", *COLUMNS)],
)
@dataclass(frozen=True)
class PartialSolutions(Dataset):
    """Problems with growing beginnings of their solution inside a thought that is opened.

    A problem is a row of level 0 and one for each chunk of the column ``solution``, at most
    ``chunks``: the row of level j has the first j in the column ``opened``, behind ``opens``, and
    the last one has the whole solution. A problem without a solution is a row of level 0 alone.
    Nothing is trained on what is given, where the template puts ``{opened}`` behind ``{prompt}``.
    """

    example: ClassVar[str] = (
        "recipe=rl data_mix=sparkle_hard verifier=sparkle_partial reward_weighting=sparkle "
        "model=tiny_bytes"
    )

    columns: dict[str, str | None] = option(
        {"prompt": "prompt|problem|question", "answer": "answer", "solution": "CoT|solution"},
        "name recipes use → column in the file (a|b: the first that is there; a.b.0: inside its"
        " values), null: none",
    )
    chunks: int = option(4, "most chunks a solution is cut into", ge=1, le=1000)
    first_half: bool = option(False, "half as many chunks")
    opens: str = option("<think>\n", "text before the first chunk", escapes=True)
    between: str = option("\n", "text between two chunks, and behind the last", escapes=True)

    def shaped(self, mapped: MappedRows, key: str) -> Rows:
        """Return a row for each problem and beginning."""
        return PartialRows(self, mapped)

    def beginnings(self, solution: str | None) -> list[str]:
        """Return the beginnings of a solution that are shown, from none of it to all."""
        most = max(1, self.chunks // 2 if self.first_half else self.chunks)
        found = chunks(solution or "", most)
        shown = [self.between.join(found[:level]) for level in range(1, len(found) + 1)]
        return ["", *(f"{self.opens}{each}{self.between}" for each in shown)]


class PartialRows(Sequence[Mapping[str, Any]]):
    """Rows of problems and of beginnings of their solutions, one problem after the other."""

    def __init__(self, source: PartialSolutions, rows: MappedRows) -> None:
        self._source = source
        self._rows = rows

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """Return (problem, level) of every row."""
        return [
            (place, level)
            for place in range(len(self._rows))
            for level in range(len(self._beginnings(self._rows[place])))
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return one row; the solution that it has a beginning of is in it."""
        place, level = self._places[position]
        row = dict(self._rows[place])
        opened = self._beginnings(row)[level]
        return {**row, "id": f"{row['id']}.{level}", "opened": opened, "hint_level": level}

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        places = range(len(self)) if positions is None else positions
        if name in (*COLUMNS, "id"):
            return [self[int(place)][name] for place in places]
        return self._rows.column(name, [self._places[int(place)][0] for place in places])

    def _beginnings(self, row: Mapping[str, Any]) -> list[str]:
        return self._source.beginnings(row.get("solution"))
