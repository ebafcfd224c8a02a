"""RL-PLUS's loss, advantages included."""

from __future__ import annotations

from typing import Any

import golden_mixed

from etude.objective.policy_loss.rl_plus import RLPlus

METHOD = "rl_plus"
CONFIG = {"off_policy_strategy", "eaf_gamma"}
INPUTS = {"logprobs", "old_logprobs", "prefix_mask"}

STRATEGIES = {"RL-PLUS": "multiple_importance", "no_reshape": "no_reshape"}


def run(case: Any) -> None:
    loss = RLPlus(
        strategy=case.config.choose("off_policy_strategy", STRATEGIES),
        gamma=case.config.take("eaf_gamma"),
        **golden_mixed.shared_options(case.config, case.inputs),
    )
    golden_mixed.run(case, loss)
