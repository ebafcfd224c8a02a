"""Reading one number out of an evaluation: for gates, and for the best model of a stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def best_step(
    evaluations: Sequence[Mapping[str, Any]], by: Sequence[tuple[str, bool]] = BEST_BY
) -> int | None:
    """Return the finished steps of the best evaluation, or None where none has a known metric.

    ``by`` are metrics that tell, the first that an evaluation has, and whether more is better. Of
    equals the one with the lower held-out ``loss`` is better, then the later one: a metric of few
    problems ties often, and early on it ties at its floor.
    """
    best: tuple[float, float, int] | None = None
    for line in evaluations:
        for metric, more_is_better in by:
            value = value_of(line, metric)
            if value is not None and not math.isnan(value):
                loss = value_of(line, "loss")
                known = math.inf if loss is None or math.isnan(loss) else loss
                rank = (value if more_is_better else -value, -known, int(line["step"]))
                best = rank if best is None else max(best, rank)
                break
    return best[2] if best is not None else None
