"""Skywork-OR1's adaptive coefficient of the entropy bonus, beside its length stages."""

from __future__ import annotations

from typing import Any

from golden_objective import objective

from etude.objective.regularizer.entropy import Entropy

METHOD = "length_curriculum"
CONFIG = {"kind", "target", "delta", "initial"}
INPUTS = {"entropies"}


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"adaptive_entropy": None})
    part = Entropy(
        controller="adaptive",
        coef=config.take("initial"),
        max_coef=config.take("max"),
        min_coef=config.take("min"),
        delta=config.take("delta"),
        target=config.take("target"),
    )
    made = objective(regularizer={"entropy": part})
    state = made.make_state()
    found = []
    for entropy in case.inputs.take("entropies"):
        made.observe({"objective/entropy": entropy}, state)
        moved = state.of("regularizer.entropy").state_dict()
        found.append({"coef": moved["coef"], "enabled": int(moved["enabled"])})
    case.check("trace", found)
