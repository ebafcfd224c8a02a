"""Fixed ways to make one reward, or one advantage, of several parts."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import objective, rollout_batch

from etude.objective.advantage.grpo import GroupRelative
from etude.reward_weighting.geometric import Geometric
from etude.reward_weighting.harmonic import Harmonic
from etude.reward_weighting.interface import Tools
from etude.reward_weighting.normalised import Normalised
from etude.reward_weighting.weighted_sum import WeightedSum

METHOD = "reward_weighting_schemes"
CONFIG = {"weights", "group_size"}
INPUTS = {"rewards"}


def run(case: Any) -> None:
    rewards = case.inputs.tensor("rewards")
    parts = {f"part{k}": column for k, column in enumerate(rewards.unbind(-1))}
    weights = dict(zip(parts, case.config.take("weights"), strict=True))
    groups = torch.arange(len(rewards)) // case.config.take("group_size")
    epsilon = case.config.take("eps")
    assert case.config.take("std_ddof") == 1
    linear = WeightedSum(weights=weights).combine(parts)
    case.check("linear", linear)
    case.check("weighted_harmonic", Harmonic(weights=weights).combine(parts).rewards)
    case.check("weighted_geometric", Geometric(weights=weights).combine(parts).rewards)
    applies = {name: torch.ones(len(rewards), dtype=torch.bool) for name in parts}
    tools = Tools(lengths=torch.ones(len(rewards)))
    for key, batch in (("gdpo_pre_batch_norm", "none"), ("gdpo_advantages", "rows")):
        own = Normalised(weights=weights, epsilon=epsilon, batch=batch)
        found = own.combine(parts, groups=groups, applies=applies, tools=tools)
        assert torch.equal(found.rewards, linear)
        case.check_if_given(key, found.advantages)
    grouped = rollout_batch(torch.ones(len(rewards), 1), rewards=linear, groups=groups)
    plain = objective(advantage=GroupRelative(epsilon=epsilon)).advantages(grouped).squeeze(-1)
    case.check_if_given("grpo_advantages_on_linear", plain)
