"""The plurality vote over all answers of a problem; a tie goes to what was seen first."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.statistics.votes import plurality

METHOD = "evaluation"
CONFIG = {"metric"}
INPUTS = {"predictions", "values"}


def run(case: Any) -> None:
    if case.config.take("metric") == "bootstrap":
        from_draws(case)
        return
    pairs = zip(case.inputs.take("predictions"), case.inputs.take("values"), strict=True)
    found = [plurality(answers, values) for answers, values in pairs]
    case.check("per_problem", found)
    case.check("mean", float(np.mean(found)))


def from_draws(case: Any) -> None:
    """Check vote, best and worst of subsets drawn by numpy's legacy generator."""
    from etude.statistics.votes import best, over_draws, worst

    size, many = case.config.take("subset_size"), case.config.take("n_bootstrap")
    seed = case.config.take("seed")
    case.config.take("rng")
    votes, ends = [], []
    pairs = zip(case.inputs.take("predictions"), case.inputs.take("values"), strict=True)
    for answers, values in pairs:
        # Every measure draws anew from the same seed, so all see the same subsets.
        drawn = np.random.RandomState(seed).choice(len(answers), size=(many, size), replace=True)
        votes.append(list(over_draws(plurality, answers, values, drawn)))
        ends.append([list(over_draws(score, answers, values, drawn)) for score in (best, worst)])
    case.check("maj_mean_std", votes)
    case.check("best_worst_mean_std", ends)
