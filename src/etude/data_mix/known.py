"""What is known of the rows of a part, for a law that chooses among them: an array a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.data_mix.history import History, Visits

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """The rows of a part as a law of a draw sees them (``Draw(row_weights=law)``).

    Every array is in the order of the part's rows. ``positions`` are those of the rows of the
    history, -1 for one of another part; ``made`` are rows that were also made on demand and judged
    then, position → what is known. ``random`` is the law's own generator, another one for each
    draw and part.
    """

    part: str
    size: int
    history: History
    positions: NDArray[np.int64]
    made: dict[int, Visits]
    column: Callable[[str], NDArray[Any]]
    random: np.random.Generator

    def of_places(self, values: NDArray[Any], default: float) -> Numbers:
        """Return a number of every row that ``values`` have by place in the history.

        Rows beyond their end, and rows that were never judged, have the default.
        """
        found = np.full(self.size, default)
        positions = self.positions[: len(values)]
        here = positions >= 0
        found[positions[here]] = values[: len(positions)][here]
        return found

    def visits(self, name: str) -> Numbers:
        """Return a number of :class:`~etude.data_mix.history.Visits` of every row, 0 if unknown."""
        found = self.of_places(self.history.column(name), 0.0)
        for position, visits in self.made.items():
            found[position] = getattr(visits, name)
        return found

    def pass_rate(self, *, last: bool = False) -> Numbers:
        """Return the share of correct answers of every row, NaN for one that was never judged.

        That is of all answers, or of those of the last visit.
        """
        head = "last_" if last else ""
        correct, judged = (
            self.history.column(f"{head}correct"),
            self.history.column(f"{head}judged"),
        )
        found = self.of_places(correct / np.maximum(judged, 1), np.nan)
        for position, visits in self.made.items():
            found[position] = visits.last_pass_rate if last else visits.pass_rate
        return found
