"""Beta normalisation of advantages."""

from __future__ import annotations

from typing import Any

from golden_objective import objective, rollout_batch

from etude.objective.advantage.bnpo import BNPO

METHOD = "bnpo"
CONFIG = {"min_value", "max_value"}
INPUTS = {"rewards", "group", "mask"}


def run(case: Any) -> None:
    config = case.config
    advantage = BNPO(
        min_reward=config.take("min_value"),
        max_reward=config.take("max_value"),
        weight_cap=config.take("weight_cap", 1e6),
    )
    rewards, groups = case.inputs.tensor("rewards"), case.inputs.tensor("group").long()
    batch = rollout_batch(case.inputs.tensor("mask"), rewards=rewards, groups=groups)
    estimate = objective(advantage=advantage).estimate(batch)
    case.check("advantages", estimate.advantages)
    case.check_if_given("alpha", estimate.metrics["objective/bnpo_alpha"])
    case.check_if_given("beta", estimate.metrics["objective/bnpo_beta"])
    case.check_if_given("p_per_group", advantage.rates(rewards, groups).rates)
