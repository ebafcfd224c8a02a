"""A KL coefficient that moves by a tenth of how far the divergence is from its target."""

from __future__ import annotations

from typing import Any

from etude.objective.shaping.kl_penalty import KLPenalty

METHOD = "constrained_rewards"
CONFIG = {"coef", "target"}
INPUTS = {"kl"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "kl_controller"
    penalty = KLPenalty(coef=case.config.take("coef"), target=case.config.take("target"))
    state, found = penalty.make_state(), []
    for kl in case.inputs.take("kl"):
        state.update(kl, 1, target=penalty.target, horizon=10.0)
        found.append(state.coef)
    case.check("coef", found)
