"""The reward of the group that fares worst over a batch."""

from __future__ import annotations

from typing import Any

import torch

from etude.reward_weighting.maxmin import MaxMin

METHOD = "maxmin"
CONFIG = {"scope"}
INPUTS = {"rewards_per_group"}


def run(case: Any) -> None:
    case.config.take("kind")
    case.config.choose("scope", {"batch": "batch"})
    rewards = case.inputs.tensor("rewards_per_group")
    parts = {f"group{k}": column for k, column in enumerate(rewards.unbind(-1))}
    every = {name: torch.ones(len(rewards), dtype=torch.bool) for name in parts}
    weighting = MaxMin()
    found = weighting.combine(parts, applies=every, state=weighting.start(0))
    case.check("group_means", [found.metrics[f"mean/{name}"] for name in parts])
    case.check("worst_group", list(found.weights.values()).index(1.0))
    case.check("rewards", found.rewards)
