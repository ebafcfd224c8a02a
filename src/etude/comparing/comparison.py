"""Arms compared on the problems that all of them were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from etude.comparing import fair
from etude.comparing.arms import Arm, Point
from etude.comparing.values import Problem, is_share, problems_of, source_of, values_of
from etude.errors import DataError, StorageError
from etude.evaluation.difficulty import EDGES
from etude.randomness import generator
from etude.statistics import aggregates
from etude.statistics.aggregates import Draws, bootstrap_interval
from etude.statistics.effects import Effect, difference, mean_effect, share_interval
from etude.statistics.several import holm

Floats = NDArray[np.float64]

#: Resamples behind the interval of an aggregate over seeds.
RESAMPLES = 2000

#: Thresholds of performance profiles.
THRESHOLDS = tuple(step / 20 for step in range(20))

LEVEL = 0.05


@dataclass(frozen=True)
class Measured:
    """A number with its interval; None where there are too few problems for one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ArmResult:
    """One arm: its mean over seeds and problems, and rliable's aggregate over seeds and sources.

    ``iqm`` is there with two seeds or more; ``profile`` is the share of seeds and sources above
    each of THRESHOLDS. ``before`` is the mean of the models that training started from, where all
    were measured; ``seconds`` what the stage took, on average. ``at`` is what its models had spent,
    least and most.
    """

    label: str
    seeds: int
    mean: Measured
    iqm: Measured | None
    profile: tuple[float, ...]
    measurements: tuple[str, ...]
    before: float | None = None
    seconds: float | None = None
    at: tuple[float, float] | None = None


@dataclass(frozen=True)
class Group:
    """The difference on some of the problems: of a difficulty (``by``), or of a source."""

    by: str
    name: str
    problems: int
    difference: Measured


@dataclass(frozen=True)
class Versus:
    """One arm against the one that all are compared with.

    ``p_holm`` is corrected for all comparisons of the table. ``detectable`` is the true difference
    that would have been told from none with a chance of 80 %. ``better`` and ``worse`` count
    problems. ``chance`` is the probability of improvement, where both have two seeds.
    """

    arm: str
    against: str
    effect: Effect
    p_holm: float
    detectable: float
    better: int
    worse: int
    matched: bool
    chance: float | None = None
    groups: tuple[Group, ...] = ()

    @property
    def clear(self) -> bool:
        """Tell whether it is more than noise, after the correction."""
        return self.p_holm < LEVEL


@dataclass(frozen=True)
class Comparison:
    """A table of arms, each compared with ``against``.

    ``unfair`` says why they may not be compared, ``notes`` what else to know. ``difficulty`` says
    whose pass rate the groups of difficulty go by.
    """

    metric: str
    against: str
    problems: int
    arms: tuple[ArmResult, ...]
    versus: tuple[Versus, ...]
    unfair: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    difficulty: str = ""


@dataclass
class _Table:
    """The values of every arm, ``[S, P]``, on the problems of ``keys``."""

    keys: list[str]
    values: dict[str, Floats] = field(default_factory=dict)
    units: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def matched(self, one: str, other: str) -> list[int] | None:
        """Return the rows of ``other`` in the order of the seeds of ``one``; None if unmatched."""
        first, second = self.units[one], self.units[other]
        apart = len(set(first)) == len(first) > 1
        if not apart or sorted(first) != sorted(second):
            return None
        return [second.index(unit) for unit in first]


def compare(
    arms: Sequence[Arm],
    metric: str = "pass@1",
    against: str | None = None,
    notes: Sequence[str] = (),
) -> Comparison:
    """Return every arm compared with ``against`` (None: the first) on the problems of all.

    ``notes`` are said with those of the comparison. Raises StorageError where there is no second
    arm or none called ``against``, DataError where they share no problem or lack the metric.
    """
    if len(arms) < 2:
        raise StorageError(
            f"there is nothing to compare {arms[0].label if arms else 'it'} with: name two runs, "
            "stages or evaluations, or a sweep"
        )
    base = arms[0].label if against is None else _the_arm(arms, against)
    problems = {
        id(point): problems_of(point.samples, point.where) for arm in arms for point in arm.points
    }
    keys, told = _shared(arms, problems)
    table = _Table(keys)
    for arm in arms:
        rows = []
        for point in arm.points:
            own = problems[id(point)]
            values = values_of({key: own[key] for key in keys}, metric, point.where)
            rows.append([values[key] for key in keys])
        table.values[arm.label] = np.array(rows, dtype=np.float64)
        table.units[arm.label] = arm.units
    rates, whose = _rates(arms, problems, keys)
    results = tuple(_arm(arm, table, metric) for arm in arms)
    return Comparison(
        metric,
        base,
        len(keys),
        results,
        _versus([arm.label for arm in arms if arm.label != base], base, table, rates),
        (*told, *fair.unfair(arms)),
        (*notes, *_notes(arms)),
        whose,
    )


def _the_arm(arms: Sequence[Arm], wanted: str) -> str:
    labels = [arm.label for arm in arms]
    found = [label for label in labels if label == wanted] or [
        label for label in labels if wanted in label
    ]
    if len(found) != 1:
        raise StorageError(f"--against {wanted} fits {len(found)} of {', '.join(labels)}")
    return found[0]


def _shared(
    arms: Sequence[Arm], problems: Mapping[int, Mapping[str, Problem]]
) -> tuple[list[str], list[str]]:
    """Return the problems that all points have, in the order of the first, and what to say."""
    own = [problems[id(point)] for arm in arms for point in arm.points]
    common = [key for key in own[0] if all(key in other for other in own[1:])]
    same = [
        key
        for key in common
        if all(
            (other[key].prompt, other[key].answer) == (own[0][key].prompt, own[0][key].answer)
            for other in own[1:]
        )
    ]
    told = []
    if len(same) < len(common):
        told.append(
            f"{len(common) - len(same)} problems have the same id and another prompt or answer, "
            "and are left out"
        )
    most = max(map(len, own))
    if len(common) < most:
        told.append(
            f"the held-out rows differ: {len(common)} problems are in all of them, {most} in the "
            "largest; compared is on those in all"
        )
    if len(same) < 2:
        raise DataError(
            "they were measured on other problems: "
            f"{len(same)} of {most} are in all of them, and two are needed. " + "; ".join(told)
        )
    return same, told


def _rates(
    arms: Sequence[Arm], problems: Mapping[int, Mapping[str, Problem]], keys: Sequence[str]
) -> tuple[Floats, str]:
    """Return how easy each problem is, and for whom.

    For the model that training started from, where all arms have one: it saw none of their answers.
    Otherwise the mean over all arms, never one arm's: chance would make the others look better
    where that one was unlucky.
    """
    points = [point for arm in arms for point in arm.points]
    found = []
    for point in points:
        if point.before is None:
            break
        own = _before(point)
        if any(key not in own for key in keys):
            break
        found.append([float(own[key].correct.mean()) for key in keys])
    else:
        return np.mean(found, axis=0), "the model before"
    each = [[float(problems[id(p)][key].correct.mean()) for key in keys] for p in points]
    return np.mean(each, axis=0), "all arms together"


def _before(point: Point) -> dict[str, Problem]:
    if point.before is None or not point.before.samples:
        return {}
    return problems_of(point.before.samples, point.before.name)


def _arm(arm: Arm, table: _Table, metric: str) -> ArmResult:
    values = table.values[arm.label]
    effect = mean_effect(values)
    share = is_share(metric) or bool(values.min() >= 0.0 and values.max() <= 1.0)
    low, high = share_interval(effect) if share else effect.interval()
    scores = _scores(values, table.keys)
    iqm = None
    if len(values) > 1:
        draws = Draws.make(scores.shape, RESAMPLES, generator("compare", 0))
        ends = bootstrap_interval(aggregates.interquartile_mean, (scores, draws))
        iqm = Measured(aggregates.interquartile_mean(scores), *ends)
    spent = [point.at for point in arm.points if point.at is not None]
    return ArmResult(
        arm.label,
        len(values),
        Measured(effect.value, low, high),
        iqm,
        tuple(aggregates.performance_profile(scores, THRESHOLDS)),
        tuple(point.where for point in arm.points),
        _mean([_before_mean(point, table.keys, metric) for point in arm.points]),
        _mean([point.stage.seconds if point.stage else None for point in arm.points]),
        (min(spent), max(spent)) if spent else None,
    )


def _before_mean(point: Point, keys: Sequence[str], metric: str) -> float | None:
    """Return the metric of what a point's training started from, None where that is not known."""
    own = _before(point)
    if any(key not in own for key in keys):
        return None
    try:
        values = values_of({key: own[key] for key in keys}, metric, point.where)
    except DataError:
        return None  # it was measured by fewer tries
    return float(np.mean(list(values.values())))


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of numbers, None where one is missing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _scores(values: Floats, keys: Sequence[str]) -> Floats:
    """Return the mean of each seed on each source, ``[S, M]``: the runs and tasks of rliable."""
    sources = np.array([source_of(key) for key in keys])
    return np.column_stack([values[:, sources == each].mean(axis=1) for each in np.unique(sources)])


def _versus(labels: Sequence[str], base: str, table: _Table, rates: Floats) -> tuple[Versus, ...]:
    pairs = []
    for label in labels:
        order = table.matched(base, label)
        second = table.values[label] if order is None else table.values[label][order]
        pairs.append((label, second, order is not None))
    first = table.values[base]
    effects = [difference(first, second, matched=matched) for _, second, matched in pairs]
    corrected = holm([effect.p for effect in effects])
    found = []
    for (label, second, matched), effect, p in zip(pairs, effects, corrected, strict=True):
        moved = second.mean(axis=0) - first.mean(axis=0)
        chance = None
        if min(len(first), len(second)) > 1:
            own, other = _scores(second, table.keys), _scores(first, table.keys)
            chance = aggregates.probability_of_improvement(own, other)
        found.append(
            Versus(
                label,
                base,
                effect,
                p,
                effect.detectable(LEVEL / len(labels)),
                int((moved > 0).sum()),
                int((moved < 0).sum()),
                matched,
                chance,
                tuple(_groups(first, second, matched, table.keys, rates)),
            )
        )
    return tuple(found)


def _groups(
    first: Floats, second: Floats, matched: bool, keys: Sequence[str], rates: Floats
) -> list[Group]:
    """Return the difference by how hard problems are, and by their source where there are two."""
    parts: list[tuple[str, str, NDArray[np.bool_]]] = []
    for low, high in pairwise(EDGES):
        inside = (rates >= low) & ((rates < high) | (high == EDGES[-1]))
        parts.append(("difficulty", f"{low:g}-{high:g}", inside))
    sources = np.array([source_of(key) for key in keys])
    names = np.unique(sources)
    if len(names) > 1:
        parts += [("source", str(name), sources == name) for name in names]
    found = []
    for by, name, inside in parts:
        count = int(inside.sum())
        if count == 0:
            continue
        one, two = first[:, inside], second[:, inside]
        if count == 1:
            measured = Measured(float(two.mean() - one.mean()))
        else:
            effect = difference(one, two, matched=matched)
            measured = Measured(effect.value, *effect.interval())
        found.append(Group(by, name, count, measured))
    return found


def _notes(arms: Sequence[Arm]) -> list[str]:
    """Return what else a person should know of these arms."""
    found = [*fair.unknown(arms)]
    if all(point.at is None for arm in arms for point in arm.points):
        found += fair.unequal_steps(arms)
    trained = [arm for arm in arms if any(point.stage is not None for point in arm.points)]
    if trained and min(len(arm.points) for arm in trained) == 1:
        found.append(
            "an arm of one model: its intervals are over problems alone, and another seed of the "
            "same settings may differ by more"
        )
    by_print: dict[str, list[str]] = {}
    for arm in arms:
        for point in arm.points:
            by_print.setdefault(point.fingerprint, []).append(arm.label)
    shared = [labels for key, labels in by_print.items() if key and len(set(labels)) > 1]
    found += [f"{' and '.join(dict.fromkeys(each))} are one measurement" for each in shared[:3]]
    return found
