"""Which rows a step is to take from the mix, where it is not simply the next ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etude.errors import StageError

if TYPE_CHECKING:
    from etude.data_mix.known import Known, Numbers

#: A number of every row of a part, made of what is known of them.
Law = Callable[["Known"], "Numbers"]

#: The name of a row's share of correct answers among the numbers a row may be near to.
PASS_RATE = "pass_rate"


@dataclass(frozen=True)
class Draw:
    """A request for rows of the mix; what is None asks for nothing.

    ``count`` is how many rows (None: what the stage takes a step). ``weights`` are shares by part
    of ``data_mix.train``; a part they do not name gives no row. ``levels`` and ``ids`` leave all
    other rows out. Of the rows that are left those come first whose share of correct answers lies
    in ``pass_rate`` (both ends included; a row that was never judged counts as inside, or last if
    ``unjudged`` is False), then those least far from it; among them those least far from the point
    ``nearest`` (column or ``pass_rate`` → number), a row without the number last. Equally far rows
    come at random, in proportion to ``row_weights`` (id → weight; 0 leaves a row out, and one that
    is not named has 1).

    ``parameters`` (part → one mapping for each row, from the beginning again where there are more
    rows) has rows of these parts made by their source's ``generate`` rather than read.

    No row is taken twice for one draw unless there are fewer than it asks for. Raises StageError
    for numbers that mean nothing.
    """

    count: int | None = None
    weights: Mapping[str, float] | None = None
    levels: Collection[int] | None = None
    ids: Collection[str] | None = None
    pass_rate: tuple[float, float] | None = None
    unjudged: bool = True
    nearest: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None
    row_weights: Mapping[str, float] | Law | None = None
    parameters: Mapping[str, Sequence[Mapping[str, float]]] | None = None
    distance: Law | None = None
    units: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise StageError(f"a draw asks for {self.count} rows; it must be at least 1")
        if self.pass_rate is not None and not self.pass_rate[0] <= self.pass_rate[1]:
            raise StageError(f"a draw's pass_rate is {self.pass_rate}; the lower end comes first")
        for name, given in (("weights", self.weights), ("row_weights", self.row_weights)):
            for key, weight in () if given is None or callable(given) else given.items():
                if not 0 <= weight < math.inf:
                    raise StageError(f"a draw's {name} have {key}: {weight}; it must be 0 or more")
        self._check_points()
        for part, rows in (self.parameters or {}).items():
            if not rows:
                raise StageError(f"a draw has no parameters for the part '{part}'")

    def _check_points(self) -> None:
        for point in self.points:
            for name, number in point.items():
                if not math.isfinite(number):
                    raise StageError(
                        f"a draw is to be nearest to {name}={number}, which is no number"
                    )
        if self.several_points:
            if not self.points:
                raise StageError("a draw has no points to be nearest to")
            if len({frozenset(point) for point in self.points}) > 1:
                raise StageError("the points of a draw are not of the same names")
            if self.pass_rate is not None or self.distance is not None:
                raise StageError("a draw has a point for each row, and a pass_rate or distance")
        for name, unit in (self.units or {}).items():
            if not 0 < unit < math.inf:
                raise StageError(f"a draw's units have {name}: {unit}; it must be above 0")

    @property
    def points(self) -> Sequence[Mapping[str, float]]:
        """Return the points that rows are to be nearest to, none where nothing is asked."""
        if self.nearest is None:
            return ()
        return [self.nearest] if isinstance(self.nearest, Mapping) else self.nearest

    @property
    def several_points(self) -> bool:
        """Return whether each row has a point of its own."""
        return self.nearest is not None and not isinstance(self.nearest, Mapping)

    @property
    def is_plain(self) -> bool:
        """Return whether the next rows in the order of the mix are meant."""
        return self.weights is None and self.parameters is None and not self.chooses

    @property
    def chooses(self) -> bool:
        """Return whether rows are chosen by what they are, not by their place in the order."""
        asked = (
            self.levels,
            self.ids,
            self.pass_rate,
            self.distance,
            self.nearest,
            self.row_weights,
        )
        return any(each is not None for each in asked)
