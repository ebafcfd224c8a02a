"""Reading one number out of an evaluation: for gates, and for the best model of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The metric that ``hand_on: best`` compares: the first that an evaluation has; True where more is
#: better.
BEST_BY = (("pass@1", True), ("accuracy", True), ("loss", False))


def value_of(evaluation: Mapping[str, Any], metric: str) -> float | None:
    """Return a metric's value, with or without an interval around it; None where it is absent."""
    metrics = evaluation.get("metrics")
    found = (metrics if isinstance(metrics, Mapping) else evaluation).get(metric)
    if isinstance(found, Mapping):
        found = found.get("value")
    return float(found) if isinstance(found, (int, float)) else None


def names_of(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the names of an evaluation's metrics."""
    metrics = evaluation.get("metrics")
    return list(metrics if isinstance(metrics, Mapping) else evaluation)


def best_step(evaluations: list[dict[str, Any]]) -> int | None:
    """Return the finished steps of the best evaluation (the earliest of equals), or None."""
    best: tuple[float, int] | None = None
    for line in evaluations:
        for metric, more_is_better in BEST_BY:
            value = value_of(line, metric)
            if value is not None:
                score = value if more_is_better else -value
                if best is None or score > best[0]:
                    best = (score, int(line["step"]))
                break
    return best[1] if best is not None else None
