"""A discounted Beta posterior, visit by visit."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.curriculum.prioritised import Prioritised

METHOD = "difficulty_curriculum"
CONFIG = {"kind", "decay", "alpha0", "beta0"}
INPUTS = {"successes_and_trials"}


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"beta_tracker": None})
    tracker = Prioritised(
        decay=config.take("decay"),
        prior_right=config.take("alpha0"),
        prior_wrong=config.take("beta0"),
    ).tracker()
    found = []
    for right, trials in case.inputs.take("successes_and_trials"):
        tracker.visit(np.array([0]), np.array([right]), np.array([trials - right]))
        alpha, beta = float(tracker.alpha[0]), float(tracker.beta[0])
        found.append({"alpha": alpha, "beta": beta, "mean": float(tracker.mean()[0])})
    case.check("trace", found)
