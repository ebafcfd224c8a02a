"""The numbers of an evaluation as trackers name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etude.config.evaluations import MAIN

#: How the ends of an interval are told from the number they are of.
ENDS = ("/low", "/high")


def head_of(name: str) -> str:
    """Return what an evaluation's numbers begin with: ``evaluation``, ``evaluation/ood``."""
    return "evaluation" if name == MAIN else f"evaluation/{name}"


def numbers_of(evaluation: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return the metrics of an evaluation, the ends of their intervals and its outcomes.

    ``name`` is the evaluation's; numbers that it has none of are left out.
    """
    head = head_of(name)
    found: dict[str, Any] = {}
    for key, metric in (evaluation.get("metrics") or {}).items():
        if isinstance(metric, Mapping):
            found[f"{head}/{key}"] = metric.get("value")
            found |= {f"{head}/{key}{end}": metric.get(end[1:]) for end in ENDS}
        else:
            found[f"{head}/{key}"] = metric
    for outcome, amount in (evaluation.get("outcomes") or {}).items():
        found[f"{head}/outcome/{outcome}"] = amount
    return {key: value for key, value in found.items() if value is not None}
