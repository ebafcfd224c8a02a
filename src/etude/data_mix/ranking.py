"""The order in which a draw takes the rows of a part, found only as far as it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Rows that are put in order at first; each time more are asked for, it is four times as many.
_FIRST = 128


class Order(Protocol):
    """Positions of a part's rows in the order in which a draw takes them."""

    def __len__(self) -> int:
        """Return how many different rows there are to take."""

    def take(self, number: int) -> int:
        """Return the position of the next row; it is for the draw's row ``number`` of the part.

        When all were taken they are taken again, from the beginning.
        """


class Ranking:
    """Rows by some keys, the smallest first, of equals by the next key, last by position.

    The first of a million rows are found without putting the others in order.
    """

    def __init__(self, positions: NDArray[np.int64], keys: Sequence[NDArray[np.float64]]) -> None:
        self._positions = positions
        self._keys = keys
        self._head: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._at = 0

    def __len__(self) -> int:
        return len(self._positions)

    def take(self, number: int) -> int:
        """Return the position of the next row, whatever it is for."""
        if self._at == len(self._positions):
            self._at = 0
        if self._at >= len(self._head):
            self._head = smallest(self._keys, max(_FIRST, 4 * len(self._head)))
        self._at += 1
        return int(self._positions[self._head[self._at - 1]])


class NearPoints:
    """For each row of a draw the one nearest to a point of its own, among those not yet taken.

    ``places`` are the rows' numbers ``[rows, names]``, one without a number being far away, and
    ``points`` what is wanted, from the beginning again where more rows are taken. Of equally near
    rows the one with the smallest ``waiting`` comes first.
    """

    def __init__(
        self,
        positions: NDArray[np.int64],
        places: NDArray[np.float64],
        points: NDArray[np.float64],
        waiting: NDArray[np.float64],
    ) -> None:
        self._positions = positions
        self._places = places
        self._points = points
        self._waiting = waiting
        self._free = np.ones(len(positions), dtype=bool)

    def __len__(self) -> int:
        return len(self._positions)

    def take(self, number: int) -> int:
        """Return the position of the row nearest to the point of the draw's row ``number``."""
        if not self._free.any():
            self._free[:] = True
        point = self._points[number % len(self._points)]
        squares = ((self._places - point) ** 2).sum(axis=1)
        away = np.where(np.isnan(squares), np.inf, squares)
        free = np.flatnonzero(self._free)
        near = free[away[free] == away[free].min()]
        chosen = near[np.argmin(self._waiting[near])]
        self._free[chosen] = False
        return int(self._positions[chosen])


def smallest(keys: Sequence[NDArray[np.float64]], count: int) -> NDArray[np.int64]:
    """Return the places of the ``count`` smallest rows by some keys, in order; no key has a NaN."""
    rows = np.arange(len(keys[0]))
    sure: list[NDArray[np.int64]] = []
    for key in keys:
        if len(rows) <= count:
            break
        values = key[rows]
        bound = np.partition(values, count - 1)[count - 1]
        inside = rows[values < bound]
        sure.append(inside)
        count -= len(inside)
        rows = rows[values == bound]
    chosen = np.sort(np.concatenate([*sure, rows[:count]]))
    return chosen[np.lexsort([key[chosen] for key in reversed(keys)])]
