"""How likely rows are to be drawn, by rank in their prompt or in the batch."""

from __future__ import annotations

from typing import Any

import torch

from etude.objective.selection.policy_filtration import PolicyFiltration

METHOD = "policy_filtration"
CONFIG = {"weight_pow"}
INPUTS = {"prompt_ids"}

STRATEGIES = {"min_max": "best_worst", "max_min": "best_worst", "max_random": "best_random"}


def run(case: Any) -> None:
    power = case.config.take("weight_pow")
    prompts = case.inputs.take("prompt_ids")
    groups = torch.tensor([sorted(set(prompts)).index(prompt) for prompt in prompts])
    rewards = case.inputs.tensor("rewards")

    def weights(strategy: str, scope: str) -> torch.Tensor:
        part = PolicyFiltration(strategy=strategy, how="draw", scope=scope, power=power)
        return part.weights(rewards, groups)

    case.check("pow", weights("power", "prompt"))
    for name in ("min_max", "max_random"):
        case.check(f"per_prompt_{name}", weights(STRATEGIES[name], "prompt"))
    for name in ("pow", "max_min", "max_random"):
        found = weights(STRATEGIES.get(name, "power"), "batch")
        case.check(f"verl_{name}_weights", found)
        case.check(f"verl_{name}_probs", found / found.sum())
