"""Which curves of a stage are drawn, under which heading, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from etude.config.evaluations import MAIN
from etude.recorded.stage import Stage
from etude.report.charts import Line, shown
from etude.report.families import FAMILIES, LOSS, Family
from etude.report.gather import Gathered, Strand, value_of
from etude.report.tracks import AXES, Points, points

#: Charts of one heading; what further metrics there are is said by name.
_MOST = 16

#: Metrics of evaluations in training that are drawn.
_MOST_MEASURED = 4


@dataclass(frozen=True)
class Curve:
    """One curve of a chart; ``ends`` is its first and last value in words."""

    name: str
    points: Points
    colour: int
    ends: str
    dots: bool = False


@dataclass(frozen=True)
class Chart:
    """Some curves over the same steps; drawn over tokens and time too where it ``leads``."""

    title: str
    curves: tuple[Curve, ...]
    leads: bool = False

    @property
    def says(self) -> str:
        """Return the chart in words, for who cannot see it."""
        return f"{self.title}: " + "; ".join(f"{each.name} {each.ends}" for each in self.curves)

    def lines(self, axis: str) -> list[Line]:
        """Return what is drawn over one axis."""
        return [
            Line(
                curve.points.axes[axis],
                curve.points.middle,
                curve.colour,
                curve.points.low,
                curve.points.high,
                curve.dots,
            )
            for curve in self.curves
        ]

    @property
    def axes(self) -> list[str]:
        """Return what it can be drawn over: what moves at all."""
        moving = [
            axis
            for axis in AXES
            if any(np.ptp(curve.points.axes[axis]) > 0 for curve in self.curves)
        ]
        return (moving if self.leads else moving[:1]) or ["step"]


@dataclass(frozen=True)
class Heading:
    """Charts that belong together; ``rest`` are metrics that are left to metrics.jsonl."""

    title: str
    charts: tuple[Chart, ...]
    rest: tuple[str, ...] = ()
    folded: bool = False


@dataclass
class StageCurves:
    """The charts of one stage name, and the legend that its curves share where it compares."""

    name: str
    headings: list[Heading] = field(default_factory=list)
    legend: list[tuple[int, str, int]] = field(default_factory=list)
    steps_a_point: int = 1


def of_stage(gathered: Gathered, name: str) -> StageCurves:
    """Return what is drawn of the stages of one name; several variants share every chart."""
    strands = gathered.strands(name)
    found = StageCurves(name)
    if len(strands) > 1:
        found.legend = [
            (number, strand.label, len(strand.stages)) for number, strand in enumerate(strands)
        ]
    keys = list(dict.fromkeys(k for s in strands for t in s.tracks for k in t.columns))
    longest = max((len(t) for s in strands for t in s.tracks), default=0)
    if longest:
        drawn = max((len(c.middle) for s in strands for c in _any(s)), default=longest)
        found.steps_a_point = -(-longest // max(1, drawn))
    left = dict.fromkeys(keys)
    for family in FAMILIES:
        charts = list(_measured(strands, gathered, name)) if family.leads else []
        groups, left = _sorted(family, list(left))
        for metrics in groups:
            charts += _charts(metrics, strands, family)
        if family.folded and len(strands) > 1:  # of a sweep they would be most of the page
            rest = tuple(key for metrics in groups for key in metrics)
            if rest:
                found.headings.append(Heading(family.title, (), rest, folded=True))
            continue
        if charts:
            rest = tuple(chart.title for chart in charts[_MOST:])
            found.headings.append(Heading(family.title, tuple(charts[:_MOST]), rest, family.folded))
    return found


def _any(strand: Strand) -> Iterator[Points]:
    """Yield one curve of a strand: all have its number of points."""
    for key in strand.tracks[0].columns if strand.tracks else ():
        found = points(strand.tracks, key)
        if found is not None:
            yield found
            return


def _sorted(family: Family, keys: Sequence[str]) -> tuple[list[list[str]], dict[str, None]]:
    """Return the metrics of a family by chart, and those that are left to others."""
    found: dict[tuple[int, str], list[str]] = {}
    left: dict[str, None] = {}
    for key in keys:
        for number, pattern in enumerate(family.groups):
            if pattern is LOSS and "reward/mean" in keys:
                continue
            match = re.fullmatch(pattern, key)
            if match is not None:
                own = match.groupdict()
                shared = own.get("part") or (key if own else "")
                found.setdefault((number, shared), []).append(key)
                break
        else:
            left[key] = None
    return [found[place] for place in sorted(found, key=lambda at: at[0])], left


def _charts(metrics: Sequence[str], strands: Sequence[Strand], family: Family) -> Iterator[Chart]:
    """Yield a chart of some metrics, or one for each where several strands are compared."""
    curves: list[Curve] = []
    if len(strands) == 1:
        for key in metrics:
            found = points(strands[0].tracks, key, spread=len(metrics) == 1)
            if found is not None and (len(metrics) == 1 or _moves(found)):
                curves.append(Curve(key, found, len(curves), _ends(found)))
        if curves:
            title = _title(metrics) if len(curves) > 1 else _short(curves[0].name)
            named = [replace(each, name=_short(_short(each.name), title)) for each in curves]
            yield Chart(title, tuple(named if len(curves) > 1 else curves), family.leads)
        return
    for key in metrics:
        few = len(strands) <= 3
        drawn = [(n, s, points(s.tracks, key, spread=few)) for n, s in enumerate(strands)]
        curves = [Curve(s.label, p, n, _ends(p)) for n, s, p in drawn if p is not None]
        if curves and (len(metrics) == 1 or any(_moves(curve.points) for curve in curves)):
            yield Chart(_short(key), tuple(curves), family.leads)


def _title(metrics: Sequence[str]) -> str:
    """Return what several metrics share: ``verifier``, ``reward/accuracy``, ``rollout/length``."""
    first, *others = (f"{key}/" for key in metrics)
    shared = first
    while not all(each.startswith(shared) for each in others):
        shared = shared[:-1]
    cut = max(shared.rfind("/"), shared.rfind("_"))
    return _short(shared[:cut] if cut > 0 else metrics[0])


def _short(key: str, title: str = "") -> str:
    """Return a metric as its chart calls it, without what stands in the chart's title."""
    if title and key.startswith(title):
        return key[len(title) :].lstrip("/_") or "all"
    return key.removeprefix("timing/")


def _moves(drawn: Points) -> bool:
    """Tell whether a curve among others is worth its place: one that is 0 throughout is not."""
    return bool(np.nanmax(np.abs(drawn.middle)) > 0)


def _ends(drawn: Points) -> str:
    known = drawn.middle[np.isfinite(drawn.middle)]
    first, last = shown(float(known[0])), shown(float(known[-1]))
    return last if first == last else f"{first} → {last}"


def _measured(strands: Sequence[Strand], gathered: Gathered, name: str) -> Iterator[Chart]:
    """Yield what evaluations measured in training, with the first and the last measurement."""
    found: dict[str, list[Curve]] = {}
    for number, strand in enumerate(strands):
        by_metric: dict[str, list[dict[float, float]]] = {}
        for stage in strand.stages:
            for metric, by_step in _by_step(stage, gathered, name).items():
                by_metric.setdefault(metric, []).append(by_step)
        for metric, runs in by_metric.items():
            steps = sorted(set.intersection(*map(set, runs)))
            if len(steps) < 3:  # before and after are in the table
                continue
            values = np.array([[run[step] for step in steps] for run in runs])
            places = [[track.at(step) for step in steps] for track in strand.tracks]
            axes = {
                axis: np.array([[at[axis] for at in row] for row in places]).mean(axis=0)
                for axis in AXES
            }
            band = (values.min(axis=0), values.max(axis=0)) if len(runs) > 1 else (None, None)
            drawn = Points(axes, values.mean(axis=0), *band)
            label = strand.label if len(strands) > 1 else metric
            curve = Curve(label, drawn, number, _ends(drawn), dots=True)
            found.setdefault(metric, []).append(curve)
    first = [metric for metric in found if metric.startswith(("pass@", "accuracy", "loss"))]
    # avg@n is pass@1 under another name.
    others = (each for each in found if each not in first and not each.startswith("avg@"))
    ordered = [*first, *others]
    for metric in ordered[:_MOST_MEASURED]:
        yield Chart(f"{metric}, held out", tuple(found[metric]), leads=True)


def _by_step(stage: Stage, gathered: Gathered, name: str) -> dict[str, dict[float, float]]:
    """Return metric → finished steps → value, of the evaluations in training and around it."""
    found: dict[str, dict[float, float]] = {}

    def take(step: float, of: str, metrics: dict[str, object]) -> None:
        prefix = "" if of == MAIN else f"{of}/"
        for metric, value in metrics.items():
            number = value_of(value)
            if number is not None:
                found.setdefault(prefix + metric, {})[step] = number

    for line in stage.evaluations:
        metrics = line.get("metrics")
        if isinstance(metrics, dict):
            take(line["step"], str(line.get("evaluation") or MAIN), metrics)
    for entrant in gathered.entrants:
        if all(each.fingerprint != stage.fingerprint for each in entrant.member.stages):
            continue
        for side in gathered.sides(entrant, name):
            if side.before is not None:
                take(0, side.name, dict(side.before.metrics))
            if side.after is not None and stage.done is not None:
                take(float(stage.done.get("steps") or 0), side.name, dict(side.after.metrics))
        break
    return found
