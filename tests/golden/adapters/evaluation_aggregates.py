"""Aggregates of runs and tasks, and the chance that one algorithm beats another."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.statistics import aggregates

METHOD = "evaluation"
CONFIG = {"metric"}
INPUTS = {"scores_x", "scores_y"}


def run(case: Any) -> None:
    x, y = (np.array(case.inputs.take(key)) for key in ("scores_x", "scores_y"))
    better = aggregates.probability_of_improvement(x, y)
    if case.config.take("metric") == "probability_of_improvement":
        case.check("value", better)
        return
    taus, gamma = case.config.take("taus"), case.config.take("gamma")
    case.check("probability_of_improvement_x_over_y", better)
    case.check("mean", aggregates.mean(x))
    case.check("median", aggregates.median(x))
    case.check("iqm", aggregates.interquartile_mean(x))
    case.check("optimality_gap", aggregates.optimality_gap(x, gamma))
    case.check("optimality_gap_gamma_0.8", aggregates.optimality_gap(x, 0.8))
    case.check("score_distribution", aggregates.performance_profile(x, taus))
    case.check("average_score_distribution", aggregates.mean_profile(x, taus))
