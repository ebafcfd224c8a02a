"""Weights that move over the first T steps."""

from __future__ import annotations

from typing import Any

from etude.reward_weighting.annealed import Annealed

METHOD = "reward_weighting_schemes"
CONFIG = {"T"}
INPUTS = {"start", "end", "steps"}


def run(case: Any) -> None:
    start, end = (dict(enumerate(case.inputs.take(key))) for key in ("start", "end"))
    named = {f"part{k}": weight for k, weight in end.items()}
    weighting = Annealed(end=named, shape=case.config.take("kind"))
    begun = {f"part{k}": weight for k, weight in start.items()}
    found = [
        list(weighting.at(step, case.config.take("T"), begun).values())
        for step in case.inputs.take("steps")
    ]
    case.check("weights", found)
