"""What a stage did before it was taken up again, as its files have it.

They are the truth: a tracker that was killed with the stage may lack the last steps before the
checkpoint, and has steps after it that are done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etude.config.evaluations import MAIN
from etude.execute.attempt import NAMED, lines_of
from etude.tracker.evaluations import numbers_of
from etude.tracker.interface import Place

#: Numbers at a place, and when they came in seconds since 1970 (None: not known).
Told = tuple[Place, dict[str, float], float | None]


def told_before(attempt: Path) -> Iterator[Told]:
    """Yield the steps and the evaluations that lead to where an attempt begins, in their order."""
    clocks = {line["step"]: line for line in _lines(attempt, "timing")}
    found: list[Told] = []
    for line in _lines(attempt, "metrics"):
        step = line.pop("step")
        clock = dict(clocks.get(step, {}))
        came = clock.pop("at", None)
        found.append((Place(step, trained=True), step_numbers(line, _without_step(clock)), came))
    for line in _lines(attempt, "evaluations"):
        numbers = numbers_of(line, line.get(NAMED, MAIN))
        found.append((Place(line["step"]), numbers, None))
    yield from sorted(found, key=lambda told: told[0].order)


def step_numbers(metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a step: its metrics, and its clocks under ``timing/``.

    What was no number (nan, inf) is null in a file, and left out.
    """
    clocks = {f"timing/{key}": value for key, value in timing.items()}
    return {key: value for key, value in {**metrics, **clocks}.items() if value is not None}


def _without_step(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "step"}


def _lines(attempt: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in lines_of(attempt, name, None)]
