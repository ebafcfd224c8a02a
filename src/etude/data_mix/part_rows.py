"""The rows of a part as draws choose among them: what is known of each, and in which order."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.data_mix.draw import PASS_RATE, Draw, Law
from etude.data_mix.history import History, Visits
from etude.data_mix.known import Known, Numbers
from etude.data_mix.ranking import NearPoints, Order, Ranking
from etude.data_mix.share import OpenShare
from etude.errors import DataError, StageError
from etude.randomness import generator


class PartRows:
    """The rows of one part, with the numbers that draws ask for, each read once."""

    def __init__(self, share: OpenShare, history: History, seed: int) -> None:
        self.share = share
        self._history = history
        self._seed = seed
        self._columns: dict[str, Numbers] = {}
        self._places = history.places
        self._of_history: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def order(self, draw: Draw, number: int) -> Order:
        """Return the rows that draw ``number`` leaves, those it wants first at the head."""
        size = len(self.share)
        left = np.ones(size, dtype=bool)
        if draw.ids is not None:
            left &= self._among(draw.ids)
        if draw.levels is not None:
            left &= np.isin(self.column("level"), list(draw.levels))
        weights = self._weights(draw.row_weights, number)
        if self.share.probabilities is not None:  # those of the part's own sampling
            weights = weights * self.share.probabilities
        positions = np.flatnonzero(left & (weights > 0))
        random = generator("draw", self._seed, self.share.name, number)
        # Whose exponential waiting time ends first is chosen in proportion to the weights.
        waiting = random.exponential(size=size)[positions] / weights[positions]
        if draw.several_points:
            return NearPoints(positions, *self._points(draw, positions, number), waiting)
        keys = []
        if draw.pass_rate is not None:
            keys.append(self._outside(draw, draw.pass_rate, number)[positions])
        if draw.distance is not None:
            keys.append(self._by_law(draw.distance, number, "distance")[positions])
        if draw.nearest is not None:
            places, points = self._points(draw, positions, number)
            squares = ((places - points[0]) ** 2).sum(axis=1)
            keys.append(np.where(np.isnan(squares), np.inf, squares))
        return Ranking(positions, [*keys, waiting])

    def _outside(self, draw: Draw, band: tuple[float, float], number: int) -> Numbers:
        """Return how far each row of a part is outside the band of a draw."""
        low, high = band
        rates = self.known(number).pass_rate()
        outside = np.maximum(np.maximum(low - rates, rates - high), 0.0)
        return np.where(np.isnan(rates), 0.0 if draw.unjudged else np.inf, outside)

    def _points(
        self, draw: Draw, positions: NDArray[np.int64], number: int
    ) -> tuple[Numbers, Numbers]:
        """Return the numbers of rows ``[rows, names]`` and the points of a draw, in its units."""
        names = list(draw.points[0])
        units = [(draw.units or {}).get(name, 1.0) for name in names]
        columns = [
            self.known(number).pass_rate() if name == PASS_RATE else self.column(name)
            for name in names
        ]
        places = np.stack([column[positions] for column in columns], axis=1)
        points = np.array([[point[name] for name in names] for point in draw.points])
        return places / units, points / units

    def _by_law(self, law: Law, number: int, what: str) -> Numbers:
        """Return what a law says of the rows of a part; raises StageError for no numbers."""
        numbers = np.asarray(law(self.known(number)), dtype=np.float64)
        if numbers.shape != (len(self.share),) or np.isnan(numbers).any():
            raise StageError(
                f"a draw's {what} returned no number for each of the {len(self.share)} rows "
                f"of data_mix.train.{self.share.name}"
            )
        return numbers

    def known(self, number: int) -> Known:
        """Return what a law of draw ``number`` is told of the rows."""
        share, history = self.share, self._history
        made: dict[int, Visits] = {}
        if share.generate is not None:
            ids = self._positions
            made = {ids[row]: visits for row, visits in history.generated.items() if row in ids}
        return Known(
            share.name,
            len(share),
            history,
            self._history_positions(),
            made,
            self.column,
            generator("law of a draw", self._seed, share.name, number),
        )

    def _history_positions(self) -> NDArray[np.int64]:
        """Return for each place of the history the position of its row here, or -1."""
        places = self._history.places
        if places is not self._places:  # those of a state that was restored since
            self._places, self._of_history = places, np.empty(0, dtype=np.int64)
        count = len(places) - len(self._of_history)
        if count:
            ids = self._positions
            new = [ids.get(row, -1) for row in islice(reversed(places), count)]
            self._of_history = np.concatenate([self._of_history, np.array(new[::-1])])
        return self._of_history

    def _weights(self, given: Mapping[str, float] | Law | None, number: int) -> Numbers:
        """Return the weight of each row in a draw."""
        if callable(given):
            weights = self._by_law(given, number, "row_weights")
            if not ((weights >= 0) & (weights < np.inf)).all():
                raise StageError("a draw's row_weights returned a weight below 0, or no number")
            return weights
        weights = np.ones(len(self.share))
        places = self._positions if given else {}
        for row, weight in (given or {}).items():
            if row in places:
                weights[places[row]] = weight
        return weights

    def _among(self, ids: Collection[str]) -> NDArray[np.bool_]:
        found = np.zeros(len(self.share), dtype=bool)
        places = self._positions
        found[[places[row] for row in ids if row in places]] = True
        return found

    @cached_property
    def _positions(self) -> dict[str, int]:
        """Return id → position of the rows, read once."""
        ids = self.share.rows.column("id", self.share.positions)
        return {f"{self.share.source}:{row}": place for place, row in enumerate(ids)}

    def column(self, name: str) -> Numbers:
        """Return a column of the rows as numbers, read once; one that is missing is NaN.

        Raises DataError for a value that is no number.
        """
        if name not in self._columns:
            values = self.share.rows.column(name, self.share.positions)
            numbers = [_number(value, name, self.share) for value in values]
            self._columns[name] = np.array(numbers)
        return self._columns[name]


def _number(value: Any, name: str, share: OpenShare) -> float:
    """Return a value of a column as a number."""
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"data_mix.train.{share.name}: rows are to be chosen by the column {name}, which holds "
            f"{str(value)[:60]!r}, no number"
        ) from error
