"""From mix to mix: the parts' shares move through a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from etude.component import component, option
from etude.data_mix.mixing.kind import Mixing


@dataclass(frozen=True)
class Point:
    """The mix at one point of a stage."""

    at: float = option(0.0, "share of the stage's steps that are done: 0 to 1", ge=0, le=1)
    weights: dict[str, float] = option(
        {},
        "part of data_mix.train → how much it counts there; a part that is not named: 0",
        ge=0,
        form="training part",
    )


@component()
@dataclass(frozen=True)
class Scheduled(Mixing):
    """Shares that go from one mix to the next while the stage trains.

    Before the first point the mix is the first one's, after the last point the last one's. Where no
    point is given the parts keep their own weights.
    """

    points: dict[str, Point] = option(
        {}, "any name → {at, weights}: the mixes that the stage passes through"
    )
    between: str = option(
        "linear",
        "between two points: linear | step (the mix of the point that was passed last)",
        choices=("linear", "step"),
    )

    def weights(self, given: Mapping[str, float], progress: float) -> Mapping[str, float]:
        """Return the shares at a point of the stage; each point's weights count as shares."""
        points = [
            (point.at, shares)
            for point in sorted(self.points.values(), key=lambda point: point.at)
            if (shares := _shares(point.weights, given)) is not None
        ]
        if not points:
            return given
        if progress <= points[0][0]:
            return points[0][1]
        for (start, before), (end, after) in pairwise(points):
            if progress < end:
                if self.between == "step":
                    return before
                share = (progress - start) / (end - start)
                return {name: before[name] + share * (after[name] - before[name]) for name in given}
        return points[-1][1]


def _shares(weights: Mapping[str, float], given: Mapping[str, float]) -> dict[str, float] | None:
    """Return the shares of all parts, None where no part has any."""
    total = sum(weights.get(name, 0.0) for name in given)
    return {name: weights.get(name, 0.0) / total for name in given} if total else None
