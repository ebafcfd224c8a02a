"""A warm start: the first step in which the policy moves, and what a batch is made of."""

from __future__ import annotations

from typing import Any

from golden_objective import objective

from etude.training.standard import Standard

METHOD = "warm_start_rl"
CONFIG = {"warmup_steps", "min_steps_to_update", "offline_data_ratio", "batch_size"}
INPUTS = {"total_online_steps"}


def run(case: Any) -> None:
    # A step samples its whole batch, so the least that a batch needs is a number of steps too.
    waits = max(case.config.take("warmup_steps"), case.config.take("min_steps_to_update"))
    rows = case.config.take("batch_size")
    training = Standard(warm_start_steps=waits, prompts_per_step=rows, rollouts_per_prompt=1)
    steps = range(case.inputs.take("total_online_steps"))
    moving = [step + 1 for step in steps if not training.warms_up(step)]
    case.check("first_update_step", moving[0] if moving else None)
    case.config.choose("offline_data_ratio", {0.0: None})
    demonstrations = objective().imitation.rows
    case.check("offline_per_batch", demonstrations)
    case.check("online_per_batch", training.prompts_per_step * training.rollouts_per_prompt)
