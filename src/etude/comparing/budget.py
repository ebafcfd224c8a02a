"""Models measured at an equal budget: after as many tokens, steps or seconds of their stage."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from etude.comparing.arms import Arm, Point
from etude.config.evaluations import MAIN
from etude.errors import DataError
from etude.recorded.stage import Stage

BUDGETS = ("tokens", "steps", "time")

#: The tokens of a step, where a stage samples none; and those sampled since the stage began.
_TOKENS = "tokens"
_SAMPLED = "tokens/sampled"

#: How far from the budget a measurement may lie before that is said.
_NEAR = 0.1


def spent(stage: Stage, budget: str) -> list[float]:
    """Return what a stage has spent after 0, 1, 2, … steps."""
    lines: Sequence[Mapping[str, Any]]
    lines = stage.timing if budget == "time" else stage.metrics
    if budget == "tokens" and any(_SAMPLED in line for line in lines):
        counted = itertools.accumulate((_number(line, _SAMPLED) or 0.0 for line in lines), max)
        return [0.0, *counted]
    name = {"time": "seconds", "tokens": _TOKENS, "steps": ""}[budget]
    each = [_number(line, name) if name else 1.0 for line in lines]
    if any(amount is None for amount in each) or not each:
        raise DataError(f"{stage.folder.name} has no record of the {budget} of its steps")
    return list(itertools.accumulate((amount or 0.0 for amount in each), initial=0.0))


def _number(line: Mapping[str, Any], name: str) -> float | None:
    found = line.get(name)
    return float(found) if isinstance(found, (int, float)) else None


def at_equal(arms: Sequence[Arm], budget: str, most: float | None) -> tuple[list[Arm], list[str]]:
    """Return the arms with every model as it was measured nearest to the budget, and what to say.

    ``most`` is the budget, None: what the model that spent least has spent. Measured are the model
    before its stage, those of ``execution.evaluate_every``, and the one handed on. Raises DataError
    where there is no stage, or no record of what it spent.
    """
    curves = {id(point): _curve(point, budget) for arm in arms for point in arm.points}
    limit = most if most is not None else min(curve[-1][0] for curve in curves.values())
    found = []
    reached = []
    for arm in arms:
        nearest = [
            min(curves[id(point)], key=lambda each: abs(each[0] - limit)) for point in arm.points
        ]
        reached += [amount for amount, _ in nearest]
        found.append(Arm(arm.label, tuple(replace(p, at=amount) for amount, p in nearest)))
    notes = []
    if max(abs(amount - limit) for amount in reached) > _NEAR * limit:
        notes.append(
            f"not all were measured at {limit:,.0f} {_unit(budget)}: the nearest measurements lie "
            f"between {min(reached):,.0f} and {max(reached):,.0f}; a smaller "
            "execution.evaluate_every brings them together"
        )
    return found, notes


def _unit(budget: str) -> str:
    return "seconds" if budget == "time" else budget


def _curve(point: Point, budget: str) -> list[tuple[float, Point]]:
    """Return (what was spent, the model as measured then), in that order."""
    stage = point.stage
    if stage is None:
        raise DataError(f"--at {budget}: {point.where} is of no stage that is there")
    total = spent(stage, budget)
    measured: dict[int, Point] = {}
    if point.before is not None:
        before = point.before
        measured[0] = replace(
            point,
            where=f"{before.name}-{before.fingerprint[:4]}",
            samples=before.samples,
            settings=before.settings,
            config=before.config,
            fingerprint=before.fingerprint,
        )
    answers: dict[int, list[Mapping[str, Any]]] = {}
    for record in stage.evaluation_samples:
        if record.get("evaluation", MAIN) == point.of:
            answers.setdefault(record["step"], []).append(record)
    for line in stage.evaluations:
        if line.get("evaluation", MAIN) == point.of and line["step"] in answers:
            step = line["step"]
            where = f"{stage.name}-{stage.fingerprint[:4]} at step {step}"
            measured[step] = replace(
                point,
                where=where,
                samples=answers[step],
                settings=line.get("settings") or {},
                fingerprint=f"{point.fingerprint}:{step}",
            )
    last = int((stage.done or {}).get("model_step") or len(total) - 1)
    measured[last] = point
    known = sorted(step for step in measured if step < len(total))
    return [(total[step], measured[step]) for step in known]
