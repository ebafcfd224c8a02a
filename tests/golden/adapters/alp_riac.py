"""Learning progress of a region, and the score of a cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.curriculum.riac import Riac
from etude.primitives.learning_progress import between_halves

METHOD = "alp_gmm"
CONFIG = {"kind", "alp_window", "split_index"}
INPUTS = {"rewards_in_time_order"}


def run(case: Any) -> None:
    case.config.choose("kind", {"riac": None})
    at = case.config.take("split_index")
    window = case.config.take("alp_window")
    rewards = np.array(case.inputs.take("rewards_in_time_order"), dtype=np.float64)
    teacher = Riac(window=window).teacher(1)
    for place, reward in enumerate(rewards):
        task = np.array([[place / len(rewards)]])
        teacher.tell(task, np.array([reward]), np.random.default_rng(0))
    case.check("alp", float(teacher.regions.progress()[0]))
    left, right = rewards[:at], rewards[at:]
    case.check("alp_left", between_halves(left, window))
    case.check("alp_right", between_halves(right, window))
    case.check("split_score_paper", Riac(window=window).splitting.score(left, right))
    reference = Riac(window=window, count_tasks=False).splitting
    case.check("split_score_reference", reference.score(left, right))
