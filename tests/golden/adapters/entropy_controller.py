"""The adaptive coefficient of the entropy bonus, step by step."""

from __future__ import annotations

from typing import Any

from golden_objective import objective

from etude.objective.regularizer.entropy import Entropy

METHOD = "entropy_regularisation"
CONFIG = {"init", "max", "min", "delta", "target"}
INPUTS = {"entropy_per_step"}


def run(case: Any) -> None:
    config = case.config
    part = Entropy(
        controller="adaptive",
        coef=config.take("init"),
        max_coef=config.take("max"),
        min_coef=config.take("min"),
        delta=config.take("delta"),
        target=config.take("target"),
        at_target=config.take("at_target", False),
    )
    made = objective(regularizer={"entropy": part})
    state = made.make_state()
    found = []
    for entropy in case.inputs.take("entropy_per_step"):
        made.observe({"objective/entropy": entropy}, state)
        moved = state.of("regularizer.entropy").state_dict()
        found.append([moved["coef"], int(moved["enabled"])])
    case.check("value_and_enabled_after_each_step", found)
