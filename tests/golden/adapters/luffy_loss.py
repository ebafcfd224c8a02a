"""LUFFY's loss, advantages included."""

from __future__ import annotations

from typing import Any

import golden_mixed

from etude.objective.policy_loss.luffy import Luffy

METHOD = "luffy"
CONFIG = {"off_policy_reshape", "on_policy_reshape"}
INPUTS = {"logprobs", "old_logprobs", "prefix_mask"}


def run(case: Any) -> None:
    config = case.config
    loss = Luffy(
        off_reshape=config.take("off_policy_reshape"),
        off_weight=config.take("off_policy_reshape_weight"),
        off_exponent=config.take("off_policy_reshape_pow_exp"),
        own_reshape=config.take("on_policy_reshape"),
        own_weight=config.take("on_policy_reshape_weight"),
        own_exponent=config.take("on_policy_reshape_pow_exp"),
        **golden_mixed.shared_options(config, case.inputs),
    )
    golden_mixed.run(case, loss)
