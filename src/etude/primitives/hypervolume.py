"""How much of a space of objectives points dominate: the volume of a front above a reference."""

from __future__ import annotations

from collections.abc import Sequence

Point = Sequence[float]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Return the volume that points dominate above a reference; every coordinate is maximised.

    Slices lie along the first coordinate, from the reference on; each is as wide as to the next
    point and as large as the volume, in the coordinates left, of the points that reach it. What of
    a point lies below the reference counts as at it.
    """
    clipped = [tuple(max(x, r) for x, r in zip(p, reference, strict=True)) for p in points]
    return _volume(_front(clipped), tuple(reference))


def contribution(point: Point, points: Sequence[Point], reference: Point) -> float:
    """Return how much more is dominated with a point than without it, 0 or more."""
    whole = hypervolume([*points, point], reference)
    return max(whole - hypervolume(points, reference), 0.0)


def _front(points: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the points that no other one reaches in every coordinate, each once."""
    found: list[tuple[float, ...]] = []
    for point in sorted(set(points), reverse=True):
        if not any(all(a >= b for a, b in zip(other, point, strict=True)) for other in found):
            found.append(point)
    return found


def _volume(points: Sequence[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    if not points:
        return 0.0
    if len(reference) == 1:
        return max(point[0] for point in points) - reference[0]
    ordered = sorted(points)
    volume, reached = 0.0, reference[0]
    for place, point in enumerate(ordered):
        width = point[0] - reached
        if width > 0:
            rest = _front([other[1:] for other in ordered[place:]])
            volume += width * _volume(rest, reference[1:])
            reached = point[0]
    return volume
