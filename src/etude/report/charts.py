"""Curves as SVG that takes its colours from the page: matplotlib draws, nothing of it is run."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np

from etude.plan.quantities import count
from etude.report.tracks import Floats

#: Size of a chart in points, and where its axes lie in it.
_SIZE = (300.0, 165.0)
_AXES = (0.115, 0.13, 0.87, 0.83)

#: Colours that stand for those of the page: text, grid, and one for each curve.
_INK, _GRID = "#010101", "#020202"

#: Colours of curves that page.css has; further curves begin again, dashed.
COLOURS = 12

_STYLE = re.compile(r' style="([^"]*)"')
_COLOUR = re.compile(r"#0([123])(\d{2})\2")
_CLASS = re.compile(r'<g id="(c\d+)">')
_MARK = re.compile(r'(?:xlink:)?(id|href)="(#?)(m[0-9a-f]{10})"')
_UPRIGHT = re.compile(r' transform="rotate\(-0 [^"]*"')
_OTHER_ID = re.compile(r' id="(?!d\d)[^"]*"')
_PLACE = re.compile(r' (?:d|x|y|transform)="[^"]*"')
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_KEPT = ("fill", "opacity", "stroke", "stroke-width", "stroke-dasharray", "text-anchor")


@dataclass(frozen=True)
class Line:
    """One curve: ``colour`` counts the curves of its legend; a band where it has ``low``.

    ``dots`` marks its points: they are few, and what lies between them was not measured.
    """

    x: Floats
    y: Floats
    colour: int = 0
    low: Floats | None = None
    high: Floats | None = None
    dots: bool = False


def shown(value: float) -> str:
    """Return a number as an axis or a table shows it: ``0.25``, ``12k``, ``1e-05``."""
    if value and abs(value) >= 10_000:
        return ("−" if value < 0 else "") + count(abs(value))
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


def _unit(seconds: float) -> tuple[float, str]:
    """Return the seconds and the name of the unit that a span of time is shown in."""
    if seconds >= 2 * 3600:
        return 3600.0, " h"
    return (60.0, " min") if seconds >= 180 else (1.0, " s")


class Sheet:
    """Draws one chart after the other on the same axes: making axes takes longer than drawing.

    A context manager; matplotlib's settings outside it are left as they are. Raises ImportError
    where matplotlib is not installed.
    """

    def __init__(self) -> None:
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of caches of fonts
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        self._settings = matplotlib.rc_context(
            {"svg.fonttype": "none", "svg.hashsalt": "etude", "path.simplify": False}
        )
        self._make: Callable[[], Any] = lambda: Figure(
            figsize=(_SIZE[0] / 72, _SIZE[1] / 72), facecolor="none"
        )
        self._canvas = FigureCanvasSVG
        self._drawn = 0

    def __enter__(self) -> Sheet:
        self._settings.__enter__()
        self._figure = self._make()
        self._canvas(self._figure)
        axes = self._axes = self._figure.add_axes(_AXES, facecolor="none")
        axes.grid(axis="y", color=_GRID, linewidth=0.6, clip_on=False)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(_GRID)
        axes.tick_params(bottom=False, left=False, labelsize=8, colors=_INK, pad=3)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._settings.__exit__(kind, error, trace)

    def draw(
        self,
        lines: Sequence[Line],
        *,
        label: str,
        axis: str = "step",
        logarithmic: bool = False,
    ) -> str:
        """Return the SVG of some curves over one axis; ``label`` says what is seen, for readers."""
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        unit, name = 1.0, ""
        if axis == "time":
            unit, name = _unit(max(float(line.x.max()) for line in lines))
            lines = [replace(line, x=line.x / unit) for line in lines]
        axes = self._axes
        for artist in [*axes.lines, *axes.patches]:
            artist.remove()
        axes.set_xscale("log", base=2) if logarithmic else axes.set_xscale("linear")
        for number, line in enumerate(lines):
            self._line(line, number)
        axes.set_xlim(*_x_limits(lines, logarithmic))
        axes.set_ylim(*_y_limits(lines))
        axes.yaxis.set_major_locator(MaxNLocator(4, min_n_ticks=3))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value)))
        if not logarithmic:
            # A label in the middle of its tick needs room: few ticks, and none at the very end.
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=axis == "step"))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value) + name))
        stream = io.StringIO()
        self._figure.savefig(
            stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
        self._drawn += 1
        return _of_page(stream.getvalue(), label, self._drawn)

    def _line(self, line: Line, number: int) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Polygon

        colour = f"#03{line.colour % COLOURS:02d}{line.colour % COLOURS:02d}"
        group = f"c{line.colour}"
        # Added as they are: limits are known, and looking for them takes longer than drawing.
        if line.low is not None and line.high is not None:
            edge = np.concatenate([line.low, line.high[::-1]])
            around = np.stack([np.concatenate([line.x, line.x[::-1]]), edge], axis=1)
            look = {"facecolor": colour, "edgecolor": "none", "alpha": 0.16, "gid": group}
            # One path; what fill_between makes refers to an id.
            self._axes.add_artist(Polygon(around, closed=True, clip_on=False, **look))
        self._axes.add_artist(
            Line2D(
                line.x,
                line.y,
                color=colour,
                linewidth=1.3,
                linestyle="-" if line.colour < COLOURS else (0, (3, 1.5)),
                marker="o" if line.dots or len(line.x) == 1 else "",
                markersize=3,
                clip_on=False,
                zorder=3 + number,
                gid=group,
            )
        )


def _x_limits(lines: Sequence[Line], logarithmic: bool) -> tuple[float, float]:
    ends = [float(x) for line in lines for x in (line.x.min(), line.x.max())]
    low, high = min(ends), max(ends)
    if logarithmic:
        return low / 1.05, max(high, low * 2) * 1.05
    low = 0.0 if low < 0.2 * high else low
    return low, high if high > low else low + 1


def _y_limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Return limits with some air; zero is among them where it is not far from the values."""
    every = np.concatenate(
        [each for line in lines for each in (line.y, line.low, line.high) if each is not None]
    )
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    air = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    flat = high - low < 1e-3 * abs(high)
    bottom = 0.0 if low >= 0 and (low < 0.5 * high or flat) else low - air
    return bottom, high + air


def _of_page(svg: str, label: str, number: int) -> str:
    """Return a drawing as part of a page: colours by name, no styles, no ids but of its marks."""
    from markupsafe import escape

    body = svg[svg.index("<g id=") : svg.rindex("</svg>")]
    body = _CLASS.sub(r'<g class="\1">', body)
    body = _MARK.sub(rf'\1="\2d{number}-\3"', body)
    body = _OTHER_ID.sub("", body)
    body = _UPRIGHT.sub("", _STYLE.sub(_attributes, body))
    body = _PLACE.sub(lambda found: _NUMBER.sub(_rounded, found[0]), body)
    body = re.sub(r"\s*\n\s*", " ", re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL))
    width, height = (f"{side:g}" for side in _SIZE)
    return (
        f'<svg class="chart" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {width} {height}">{body}</svg>'
    )


def _rounded(found: re.Match[str]) -> str:
    """Return a place in tenths of a point: less than a pixel of a screen."""
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _attributes(found: re.Match[str]) -> str:
    """Return a style as attributes: a page that allows no styles of elements allows these."""
    pairs = (each.partition(":") for each in found[1].split(";"))
    kept = {key.strip(): value.strip() for key, _, value in pairs if key.strip() in _KEPT}
    return "".join(f' {key}="{_COLOUR.sub(_named, value)}"' for key, value in kept.items())


def _named(found: re.Match[str]) -> str:
    names = {"1": "var(--ink)", "2": "var(--grid)"}
    return names.get(found[1]) or f"var(--c{int(found[2])})"
