"""Nelder and Mead's search, of a function whose every value costs a training run.

It is played from the start each time with the values known so far, and ends where it wants one that
is not known. So all that has to be kept of it is the first simplex and those values.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

Point = list[float]


@dataclass(frozen=True)
class Move:
    """What an iteration did, the simplex after it, and the least value before."""

    action: str
    simplex: list[Point]
    best_before: float


@dataclass(frozen=True)
class Search:
    """How far a search has come: the point whose value it wants, None where it has ended."""

    simplex: list[Point]
    wanted: Point | None
    moves: list[Move] = field(default_factory=list)


class _Unknown(Exception):
    def __init__(self, point: Point) -> None:
        super().__init__(point)
        self.point = point


@dataclass(frozen=True)
class NelderMead:
    """The rule of the search; it minimises.

    ``near`` is how close, in every coordinate, a known point stands for another. It ends after
    ``most`` iterations, or where the values of a simplex that was just shrunk have a standard
    deviation below ``tolerance``.
    """

    reflect: float = 1.0
    expand: float = 2.0
    contract: float = 0.5
    shrink: float = 0.5
    tolerance: float = 0.01
    near: float = 5e-3
    most: int = 10

    def played(
        self, simplex: Sequence[Sequence[float]], known: Sequence[tuple[Sequence[float], float]]
    ) -> Search:
        """Return how far known values (point, value), in the order they were found, lead."""
        points = [list(point) for point in simplex]
        moves: list[Move] = []
        try:
            for _ in range(self.most):
                move = self._iteration(points, known)
                moves.append(move)
                points = move.simplex
                if move.action == "shrink" and self._flat(points, known):
                    break
        except _Unknown as unknown:
            return Search(points, unknown.point, moves)
        return Search(sorted(points, key=lambda point: self.value(point, known)), None, moves)

    def value(self, point: Point, known: Sequence[tuple[Sequence[float], float]]) -> float:
        """Return the value of the first known point that is near; raises where there is none."""
        for other, found in known:
            if all(abs(a - b) <= self.near for a, b in zip(point, other, strict=True)):
                return found
        raise _Unknown(point)

    def _flat(
        self, points: Sequence[Point], known: Sequence[tuple[Sequence[float], float]]
    ) -> bool:
        return statistics.pstdev([self.value(point, known) for point in points]) < self.tolerance

    def _iteration(
        self, points: Sequence[Point], known: Sequence[tuple[Sequence[float], float]]
    ) -> Move:
        values = {tuple(point): self.value(point, known) for point in points}
        ordered = sorted(points, key=lambda point: values[tuple(point)])
        least, second = values[tuple(ordered[0])], values[tuple(ordered[-2])]
        worst, most = ordered[-1], values[tuple(ordered[-1])]
        centre = [sum(x) / len(ordered[:-1]) for x in zip(*ordered[:-1], strict=True)]

        def beyond(share: float) -> Point:
            return [c + share * (c - w) for c, w in zip(centre, worst, strict=True)]

        def replaced(action: str, point: Point) -> Move:
            return Move(action, [*ordered[:-1], point], least)

        reflected = beyond(self.reflect)
        value = self.value(reflected, known)
        if least <= value < second:
            return replaced("reflect", reflected)
        if value < least:
            expanded = beyond(self.expand)
            # With the best point, as the released code has it, and not with the reflected one.
            if self.value(expanded, known) < least:
                return replaced("expand", expanded)
            return replaced("reflect", reflected)
        contracted = beyond(-self.contract)
        if self.value(contracted, known) < most:
            return replaced("contract", contracted)
        best = ordered[0]
        shrunk = [
            [b + self.shrink * (x - b) for b, x in zip(best, point, strict=True)]
            for point in ordered[1:]
        ]
        return Move("shrink", [best, *shrunk], least)
