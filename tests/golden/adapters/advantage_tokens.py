"""Advantages from rewards of tokens."""

from __future__ import annotations

from typing import Any

from golden_objective import objective, rollout_batch

from etude.objective.advantage.gae import GeneralisedAdvantage
from etude.objective.advantage.reinforce_plus_plus import WhitenedReturns

METHOD = "common_policy_gradient"
CONFIG = {"estimator"}
INPUTS = {"token_rewards"}

ESTIMATORS = {
    "reinforce_plus_plus": lambda config: WhitenedReturns(gamma=config.take("gamma", 1.0)),
    "gae": lambda config: GeneralisedAdvantage(
        gamma=config.take("gamma", 1.0), lam=config.take("lam")
    ),
}


def run(case: Any) -> None:
    advantage = case.config.choose("estimator", ESTIMATORS)(case.config)
    token_rewards = case.inputs.tensor("token_rewards")
    batch = rollout_batch(
        case.inputs.tensor("mask"),
        token_rewards=token_rewards,
        rewards=token_rewards.sum(-1),
        values=case.inputs.tensor("values", None),
    )
    estimate = objective(advantage=advantage).estimate(batch)
    case.check_if_given("advantages", estimate.advantages)
    case.check_if_given("advantages_whitened_masked", estimate.advantages)
    case.check_if_given("returns", estimate.returns)
    case.check_if_given("returns_masked", estimate.returns)
