"""BroRL: the reward of answers that the token limit cut off."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import rollout_batch

from etude.objective.shaping.stop_properly import StopProperly

METHOD = "brorl"
CONFIG = {"stop_properly_penalty_coef"}
INPUTS = {"rewards", "truncated"}


def run(case: Any) -> None:
    rewards = case.inputs.tensor("rewards")
    batch = rollout_batch(
        torch.ones(len(rewards), 2, dtype=torch.float64),
        rewards=rewards,
        groups=torch.zeros(len(rewards), dtype=torch.long),
        lengths=torch.full((len(rewards),), 2),
        truncated=case.inputs.tensor("truncated") > 0,
    )
    part = StopProperly(coef=case.config.take("stop_properly_penalty_coef"))
    shaped, _ = part.shape(batch, None)
    case.check("rewards", shaped.rewards)
    assert torch.equal(shaped.token_rewards[:, -1], shaped.rewards - rewards)
