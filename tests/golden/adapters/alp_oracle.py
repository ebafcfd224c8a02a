"""The window that slides on, in the numbers of its box."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.curriculum.oracle_window import OracleWindow
from etude.curriculum.task_space import TaskSpace

METHOD = "alp_gmm"
CONFIG = {"kind", "threshold", "step_rate", "steps"}
INPUTS = {"mins", "maxs", "rewards"}


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"oracle_window": None})
    low, high = (np.array(case.inputs.take(name), dtype=float) for name in ("mins", "maxs"))
    names = tuple(f"x{n}" for n in range(len(low)))
    space = TaskSpace(names, low, high, None, by_reward=True)
    rate = config.take("step_rate")
    curriculum = OracleWindow(
        goal=config.take("threshold"),
        rate=rate,
        slide=(np.array(config.take("steps")) / space.range).tolist(),
    )
    teacher = curriculum.teacher(space.size)
    case.check("window_size", (curriculum.window * space.range).tolist())
    found = []
    for n, reward in enumerate(case.inputs.take("rewards")):
        teacher.tell(np.zeros((1, space.size)), np.array([float(reward)]), np.random.default_rng(0))
        if (n + 1) % rate == 0:
            found.append([*space.values(teacher.low[None])[0].values()])
    case.check("positions", found)
