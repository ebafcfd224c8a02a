"""Percentile intervals over given resamples of runs, and of tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.statistics import aggregates
from etude.statistics.aggregates import Draws, bootstrap_interval

METHOD = "evaluation"
CONFIG = {"metric", "reps", "task_bootstrap"}
INPUTS = {"scores", "run_indices"}

STATISTICS = {
    "iqm": aggregates.interquartile_mean,
    "mean": aggregates.mean,
    "optimality_gap": aggregates.optimality_gap,
}


def run(case: Any) -> None:
    assert case.config.take("metric") == "stratified_bootstrap"
    assert case.config.take("method") == "percentile"
    chosen = [STATISTICS[name] for name in case.config.take("statistics")]
    scores, runs = np.array(case.inputs.take("scores")), np.array(case.inputs.take("run_indices"))
    tasks = None
    if case.config.take("task_bootstrap"):
        tasks = np.array(case.inputs.take("task_indices"))
    assert len(runs) == case.config.take("reps")
    draws, level = Draws(runs, tasks), case.config.take("ci")
    ends = [bootstrap_interval(one, (scores, draws), level=level) for one in chosen]
    case.check("point", [one(scores) for one in chosen])
    case.check("lower", [low for low, _ in ends])
    case.check("upper", [high for _, high in ends])
