"""Dynamic sampling: which groups are kept."""

from __future__ import annotations

from typing import Any

from etude.objective.filter.dynamic_sampling import DynamicSampling

METHOD = "common_policy_gradient"
CONFIG = {"metric"}
INPUTS = {"group_rewards"}

METRICS = {
    "seq_reward": "reward",
    "seq_final_reward": "reward",
    "acc": "accuracy",
    "accuracy": "accuracy",
}


def run(case: Any) -> None:
    group_filter = DynamicSampling(metric=case.config.choose("metric", METRICS))
    case.check("keep", group_filter.keep(case.inputs.take("group_rewards")))
