"""Learning progress of tasks, one after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.curriculum.alp_gmm import AlpGMM

METHOD = "alp_gmm"
CONFIG = {"kind", "buffer_size", "max_size"}
INPUTS = {"tasks", "rewards"}


def run(case: Any) -> None:
    case.config.choose("kind", {"alp": None})
    assert case.config.take("buffer_size") > 0  # only how fast the nearest is found
    tasks = np.array(case.inputs.take("tasks"), dtype=np.float64)
    curriculum = AlpGMM(remembered=case.config.take("max_size"), fit_rate=2, components=[1])
    teacher = curriculum.teacher(tasks.shape[1])
    rewards = np.array(case.inputs.take("rewards"), dtype=np.float64)
    found = []
    for task, reward in zip(tasks, rewards, strict=True):
        teacher.tell(task[None], np.array([reward]), np.random.default_rng(0))
        found.append(float(teacher.known.progress[-1]))
    case.check("alp", found)
