"""Trust-GRPO as in the paper: the trust of a group, its rewards and their advantages."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import objective, rollout_batch

from etude.objective.advantage.grpo import GroupRelative
from etude.reward_weighting.interface import Tools
from etude.reward_weighting.trust import Trust

METHOD = "trust_grpo"
CONFIG = {"std_epsilon"}
INPUTS = {"thinking_rewards"}


def run(case: Any) -> None:
    config = case.config
    weighting = Trust(
        alpha=config.take("alpha"),
        steps=config.take("decay_steps"),
        variant=config.choose("variant", {"paper": "paper"}),
    )
    outcome = case.inputs.tensor("outcome_rewards")
    parts = {"accuracy": outcome, "thought": case.inputs.tensor("thinking_rewards")}
    groups = torch.zeros(len(outcome), dtype=torch.int64)
    every = {name: torch.ones(len(outcome), dtype=torch.bool) for name in parts}
    tools = Tools(step=case.inputs.take("step"))
    found = weighting.combine(parts, groups=groups, applies=every, tools=tools)
    case.check("gamma", found.metrics["trust"])
    case.check("rewards", found.rewards)
    batch = rollout_batch(torch.ones(len(outcome), 1), rewards=found.rewards, groups=groups)
    advantage = GroupRelative(epsilon=config.take("std_epsilon"), std=config.take("std"))
    case.check("advantages", objective(advantage=advantage).advantages(batch).squeeze(-1))
