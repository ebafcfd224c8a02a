"""What evaluations rest on and what they return."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.rows import Ended, Example, Sampled, Verdict


@dataclass(frozen=True)
class Answers:
    """Answers sampled for an evaluation and judged: those to the first problem, then to the next.

    ``rendered`` are the prompts of the problems as the model read them, template applied.
    ``ended`` says how the episodes ended that were played with an environment.
    """

    examples: Sequence[Example]
    sampled: Sequence[Sampled]
    texts: Sequence[str]
    verdicts: Sequence[Verdict]
    max_new_tokens: int
    rendered: Sequence[str] = ()
    ended: Sequence[Ended | None] = ()


@dataclass(frozen=True)
class Result:
    """An evaluation's JSON (metrics, outcomes, settings) and the samples it rests on."""

    evaluation: dict[str, Any]
    samples: list[dict[str, Any]]


def numbers(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of an evaluation's JSON as plain numbers; nan where one is none."""
    metrics = evaluation["metrics"]
    values = {name: entry["value"] for name, entry in metrics.items()}
    return {name: math.nan if value is None else float(value) for name, value in values.items()}
