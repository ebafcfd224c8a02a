"""The tables of a report: what stages measured before and after, what members came to, the cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.config.evaluations import MAIN
from etude.plan.quantities import count, duration
from etude.recorded.evaluation import Evaluation
from etude.recorded.stage import Stage
from etude.report.gather import Gathered, value_of
from etude.view.record import interval

#: Metrics of one evaluation in the table of stages; result.json has all of them.
_MOST = 10


@dataclass(frozen=True)
class Row:
    """One metric of a stage's model, before and after; ``share`` is where both lie from 0 to 1."""

    member: str
    stage: str
    metric: str
    before: str
    after: str
    first: bool


@dataclass(frozen=True)
class Outcomes:
    """How the answers of an evaluation were judged: outcome → how many, without those of none."""

    what: str
    counts: Mapping[str, int]
    problems: int


@dataclass(frozen=True)
class Cost:
    """What one stage took."""

    stage: str
    state: str
    steps: str
    seconds: str
    pace: str
    tokens: str
    attempts: int


def stages(gathered: Gathered) -> list[Row]:
    """Return the metrics of every stage before and after, stages that members share once."""
    found: list[Row] = []
    seen: set[tuple[Any, ...]] = set()
    for entrant in gathered.entrants:
        label = entrant.label if gathered.compares else ""
        for name in gathered.names:
            for side in gathered.sides(entrant, name):
                key = tuple(e and e.fingerprint for e in (side.before, side.after))
                if key in seen:
                    continue
                seen.add(key)
                stage = name if side.name == MAIN else f"{name}, {side.name}"
                found += _rows(label, stage, side.before, side.after)
    for evaluation in gathered.alone():
        found += _rows("", evaluation.name, None, evaluation)
    return found


def _rows(
    member: str, stage: str, before: Evaluation | None, after: Evaluation | None
) -> list[Row]:
    first = before.metrics if before is not None else {}
    last = after.metrics if after is not None else {}
    names = [name for name in dict.fromkeys([*last, *first]) if not name.startswith("avg@")]
    return [
        Row(member, stage, name, _said(first.get(name)), _said(last.get(name)), number == 0)
        for number, name in enumerate(names[:_MOST])
    ]


def _said(metric: Any) -> str:
    return "" if value_of(metric) is None else interval(metric)


def outcomes(gathered: Gathered) -> list[Outcomes]:
    """Return how the answers of every evaluation were judged, each once."""
    found: dict[str, Outcomes] = {}
    every = [
        (f"{name}, {when}", entrant.label, evaluation)
        for entrant in gathered.entrants
        for name in gathered.names
        for side in gathered.sides(entrant, name)
        for when, evaluation in (("before", side.before), ("after", side.after))
        if evaluation is not None
    ] + [(each.name, "", each) for each in gathered.alone()]
    for what, label, evaluation in every:
        given = evaluation.result.get("outcomes")
        if not isinstance(given, Mapping) or evaluation.fingerprint in found:
            continue
        counts = {str(key): int(n) for key, n in given.items() if isinstance(n, int) and n}
        title = f"{what} · {label}" if gathered.compares and label else what
        of = "" if evaluation.of == MAIN else f", {evaluation.of}"
        problems = evaluation.result.get("problems")
        found[evaluation.fingerprint] = Outcomes(
            title + of, counts, problems if isinstance(problems, int) else 0
        )
    return list(found.values())


def cost(gathered: Gathered) -> tuple[list[Cost], str]:
    """Return what each stage took, and all of them with their evaluations in a sentence."""
    from etude.plan import layout

    rows, total = [], 0.0
    for stage in gathered.stages():
        seconds = stage.seconds or _seconds(stage)
        total += seconds
        last = stage.metrics[-1] if stage.metrics else {}
        sampled, trained = last.get("tokens/sampled"), last.get("tokens/trained")
        read = sum(float(line.get("tokens") or 0) for line in stage.metrics)
        tokens = [f"{count(sampled)} sampled"] if isinstance(sampled, (int, float)) else []
        tokens += [f"{count(trained)} trained"] if isinstance(trained, (int, float)) else []
        tokens += [f"{count(read)} read"] if read and not tokens else []
        steps = int(stage.about.get("steps") or len(stage.metrics))
        done = len(stage.metrics)
        rows.append(
            Cost(
                f"{stage.name} ({stage.fingerprint[:8]})",
                "done" if stage.done is not None else "not finished",
                f"{done:,}" if done == steps else f"{done:,} of {steps:,}",
                duration(seconds),
                f"{seconds / done:.2f} s a step" if done else "",
                ", ".join(tokens),
                len(layout.attempts(stage.folder)),
            )
        )
    measured = {
        evaluation.fingerprint: float(evaluation.done.get("seconds") or 0.0)
        for entrant in gathered.entrants
        for name in gathered.names
        for side in gathered.sides(entrant, name)
        for evaluation in (side.before, side.after)
        if evaluation is not None
    } | {each.fingerprint: float(each.done.get("seconds") or 0.0) for each in gathered.alone()}
    said = f"{duration(total)} in stages" if rows else ""
    if measured:
        evaluations = f"{duration(sum(measured.values()))} in {len(measured)} evaluations"
        said = ", ".join(filter(None, (said, evaluations)))
    return rows, said


def _seconds(stage: Stage) -> float:
    return sum(float(line.get("seconds") or 0.0) for line in stage.timing)


@dataclass(frozen=True)
class Standing:
    """What one member came to: the last stage that was measured, by its first metric."""

    label: str
    stage: str
    metric: str
    before: str
    after: str
    value: float
    low: float
    high: float


def standings(gathered: Gathered) -> list[Standing]:
    """Return the members of a sweep by what their last measured stage came to, best first."""
    found = []
    for entrant in gathered.entrants:
        for name in reversed(gathered.names):
            side = next(iter(gathered.sides(entrant, name)), None)
            if side is None or side.after is None:
                continue
            metric = next(iter(side.after.metrics), "")
            given = side.after.metrics.get(metric)
            value = value_of(given)
            if value is None:
                continue
            before = _said(side.before.metrics.get(metric)) if side.before is not None else ""
            low = given.get("low", value) if isinstance(given, Mapping) else value
            high = given.get("high", value) if isinstance(given, Mapping) else value
            found.append(
                Standing(entrant.label, name, metric, before, interval(given), value, low, high)
            )
            break
    metrics = {each.metric for each in found}
    return sorted(found, key=lambda each: -each.value) if len(metrics) == 1 else found
