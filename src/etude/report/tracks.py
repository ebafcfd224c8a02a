"""The numbers of stages by step, over three axes, with bands over seeds, as thin as they are drawn.

Shapes: S steps of a stage, B buckets of steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: What a curve may be drawn over.
AXES = ("step", "tokens", "time")

#: Points of a drawn curve: a chart is about twice as many pixels wide.
BUCKETS = 160


@dataclass(frozen=True)
class Track:
    """One stage by step: ``columns`` are its metrics ``[S]`` (nan where a step has none).

    ``axes`` are finished steps, tokens sampled (or read, of a stage that samples none) and the
    seconds of its steps, each counted from the stage's beginning.
    """

    columns: Mapping[str, Floats]
    axes: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.axes["step"])

    def at(self, step: float) -> dict[str, float]:
        """Return where a number of finished steps lies on every axis."""
        found = {"step": float(step)}
        for axis in AXES[1:]:
            known = np.concatenate([[0.0], self.axes[axis]])
            steps = np.concatenate([[0.0], self.axes["step"]])
            found[axis] = float(np.interp(step, steps, known))
        return found


@dataclass(frozen=True)
class Points:
    """What is drawn of a curve: a line over each axis, and a band where there is one."""

    axes: Mapping[str, Floats]
    middle: Floats
    low: Floats | None = None
    high: Floats | None = None


def track(metrics: Sequence[Mapping[str, Any]], timing: Sequence[Mapping[str, Any]]) -> Track:
    """Return a stage's lines of metrics and timing by column; steps are those of the metrics."""
    steps = [int(line["step"]) for line in metrics]
    columns = _columns(metrics)
    clocks = {int(line["step"]): line for line in timing}
    columns |= {
        f"timing/{key}": column
        for key, column in _columns([clocks.get(step, {}) for step in steps]).items()
        if key != "at"
    }
    zero = np.zeros(len(steps))
    sampled = columns.get("tokens/sampled")
    read = columns.get("tokens")
    tokens = zero if read is None else np.cumsum(np.nan_to_num(read))
    if sampled is not None:  # counted since the stage began
        tokens = np.maximum.accumulate(np.nan_to_num(sampled))
    seconds = columns.get("timing/seconds")
    axes = {
        "step": np.array(steps, dtype=np.float64) + 1,
        "tokens": tokens,
        "time": zero if seconds is None else np.cumsum(np.nan_to_num(seconds)),
    }
    return Track(columns, axes)


def _columns(lines: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for place, line in enumerate(lines):
        for key, value in line.items():
            if isinstance(value, (int, float)) and key != "step":
                if key not in found:
                    found[key] = np.full(len(lines), np.nan)
                found[key][place] = value
    return found


def points(tracks: Sequence[Track], key: str, *, spread: bool = True) -> Points | None:
    """Return the curve of a metric: of one stage, or the mean of several that differ by seed.

    Steps are put together in buckets. The band is from the lowest to the highest seed; of one
    stage, from the lowest to the highest step of a bucket, where ``spread`` asks for it. None where
    no step has the metric.
    """
    having = [each for each in tracks if key in each.columns]
    length = min(map(len, having), default=0)
    if not length:
        return None
    values = np.stack([each.columns[key][:length] for each in having])
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return None
    axes = {
        axis: np.stack([each.axes[axis][:length] for each in having]).mean(axis=0) for axis in AXES
    }
    values, axes = values[:, known], {axis: each[known] for axis, each in axes.items()}
    edges = _edges(values.shape[1])
    middles = np.stack([_bucket(row, edges) for row in values])
    x = {axis: _bucket(each, edges) for axis, each in axes.items()}
    middle = np.nanmean(middles, axis=0)
    if len(having) > 1:
        return Points(x, middle, np.nanmin(middles, axis=0), np.nanmax(middles, axis=0))
    if spread and len(middle) < values.shape[1]:
        low, high = _fold(np.fmin, values[0], edges), _fold(np.fmax, values[0], edges)
        return Points(x, middle, low, high)
    return Points(x, middle)


def _edges(count: int) -> NDArray[np.intp]:
    """Return where each bucket begins."""
    return np.unique(np.linspace(0, count, min(count, BUCKETS), endpoint=False).astype(np.intp))


def _bucket(values: Floats, edges: NDArray[np.intp]) -> Floats:
    """Return the mean of each bucket over the steps that have a value; nan where none has."""
    there = np.isfinite(values)
    total = np.add.reduceat(np.where(there, values, 0.0), edges)
    count = np.add.reduceat(there.astype(np.float64), edges)
    return np.divide(total, count, out=np.full(len(edges), np.nan), where=count > 0)


def _fold(with_: np.ufunc, values: Floats, edges: NDArray[np.intp]) -> Floats:
    found: Floats = with_.reduceat(values, edges)
    return found
