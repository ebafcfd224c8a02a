"""The advantages of groups with demonstrations among them."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import objective, rollout_batch

from etude.objective.advantage.grpo import GroupRelative
from etude.objective.advantage.grpo_split import SplitGroupRelative

METHOD = "rl_plus"
CONFIG = {"estimator", "use_std"}
INPUTS = {"sequence_rewards", "on_policy_rows"}

ESTIMATORS = {"grpo": GroupRelative, "grpo_split": SplitGroupRelative}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "advantage"
    assert config.take("std") == "unbiased (n-1)"
    advantage = config.choose("estimator", ESTIMATORS)(
        scale="group" if config.take("use_std") else "none", epsilon=config.take("epsilon")
    )
    mask, names = inputs.tensor("response_mask"), inputs.take("uids")
    own = inputs.tensor("on_policy_rows").unsqueeze(-1)
    batch = rollout_batch(
        mask,
        rewards=inputs.tensor("sequence_rewards"),
        groups=torch.tensor([sorted(set(names)).index(name) for name in names]),
        off_policy=mask * (1 - own),
    )
    case.check("advantages", objective(advantage=advantage).estimate(batch).advantages)
