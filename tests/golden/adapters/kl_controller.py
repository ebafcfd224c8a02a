"""The adaptive coefficient of the KL penalty."""

from __future__ import annotations

from typing import Any

from etude.objective.shaping.kl_penalty import KLPenalty

METHOD = "common_policy_gradient"
CONFIG = {"init", "target", "horizon"}
INPUTS = {"kl_sequence"}


def run(case: Any) -> None:
    config = case.config
    penalty = KLPenalty(
        coef=config.take("init"),
        controller="adaptive",
        target=config.take("target"),
        horizon=config.take("horizon"),
    )
    rows = config.take("n_steps")
    state = penalty.make_state()
    after = []
    for kl in case.inputs.take("kl_sequence"):
        state.update(kl, rows, target=penalty.target, horizon=penalty.horizon)
        after.append(state.coef)
    case.check("coef_after_each_update", after)
