"""Panels of points as an SVG: colour by group, mark by series, one point a run and larger means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

Points = Sequence[tuple[float, float]]

SIZE, EDGE, GAP = 300, 46, 26
COLOURS = ("#666666", "#c2410c", "#1d4ed8", "#15803d")


def scatter(
    panels: Mapping[tuple[str, str], Mapping[str, Mapping[str, Points]]], title: str
) -> str:
    """Return a figure: (label of x, label of y) → group → series → points."""
    width = len(panels) * (SIZE + EDGE + GAP) + GAP
    height = SIZE + 2 * EDGE + 40
    groups = next(iter(panels.values()))
    found = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, ((across, up), shown) in enumerate(panels.items()):
        left = GAP + EDGE + number * (SIZE + EDGE + GAP)
        found += [
            f'<g transform="translate({left},{EDGE / 2})">',
            *_panel(across, up, shown),
            "</g>",
        ]
    legend = [*zip(groups, COLOURS, "ccc", strict=False)]
    series = next(iter(groups.values()))
    place = GAP + EDGE
    for name, colour, _ in legend:
        found += [_mark(place, height - 14, 0, colour, 5.0), _text(place + 10, height - 10, name)]
        place += 24 + 7 * len(name)
    for shape, name in enumerate(series):
        found += [
            _mark(place, height - 14, shape, "#000000", 5.0),
            _text(place + 10, height - 10, name),
        ]
        place += 24 + 7 * len(name)
    return "\n".join([*found, "</svg>", ""])


def _panel(across: str, up: str, shown: Mapping[str, Mapping[str, Points]]) -> list[str]:
    every = [point for series in shown.values() for points in series.values() for point in points]
    (low_x, high_x), (low_y, high_y) = (_range([point[axis] for point in every]) for axis in (0, 1))

    def x(value: float) -> float:
        return SIZE * (value - low_x) / (high_x - low_x)

    def y(value: float) -> float:
        return SIZE * (1 - (value - low_y) / (high_y - low_y))

    found = [f'<rect width="{SIZE}" height="{SIZE}" fill="none" stroke="#999999"/>']
    for part in range(6):
        at_x, at_y = (
            low + part * (high - low) / 5 for low, high in ((low_x, high_x), (low_y, high_y))
        )
        found += [
            _text(x(at_x), SIZE + 16, f"{at_x:.2f}", "middle"),
            _text(-6, y(at_y) + 4, f"{at_y:.2f}", "end"),
        ]
    found += [
        _text(SIZE / 2, SIZE + 34, across, "middle"),
        f'<text transform="translate(-38,{SIZE / 2}) rotate(-90)" text-anchor="middle">{up}</text>',
    ]
    for colour, series in zip(COLOURS, shown.values(), strict=False):
        for shape, points in enumerate(series.values()):
            found += [_mark(x(a), y(b), shape, colour, 2.5, 0.45) for a, b in points]
            middle = mean(a for a, _ in points), mean(b for _, b in points)
            found.append(_mark(x(middle[0]), y(middle[1]), shape, colour, 6.0))
    return found


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.05
    return low - room, high + room


def _mark(x: float, y: float, shape: int, colour: str, size: float, opacity: float = 1.0) -> str:
    style = f'fill="{colour}" fill-opacity="{opacity}"'
    if shape % 4 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" {style}/>'
    corners = {
        1: ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        2: ((0, -1.2), (1.2, 1), (-1.2, 1)),
        3: ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
    }[shape % 4]
    points = " ".join(f"{x + a * size:.1f},{y + b * size:.1f}" for a, b in corners)
    return f'<polygon points="{points}" {style}/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
