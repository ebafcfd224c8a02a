"""Chances of prompts by their share of right answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from etude.curriculum.prioritised import Prioritised

METHOD = "difficulty_curriculum"
CONFIG = {"kind", "rule", "epsilon_uniform"}
INPUTS = {"pass_rate"}

LAWS = {"variance": "variance", "one_minus_p": "one_minus_p", "std": "std", "target": "target"}


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"priority": None})
    more = {"target": config.take("target")} if "target" in config else {}
    curriculum = Prioritised(
        law=config.choose("rule", LAWS), uniform=config.take("epsilon_uniform"), **more
    )
    found = curriculum.chances(np.array(case.inputs.take("pass_rate"), dtype=np.float64))
    case.check("probs", found.tolist())
