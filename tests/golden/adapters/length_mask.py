"""Truncated wrong answers in the group's statistics and out of the loss: advantages that act.

On policy the token loss of a plain policy gradient is minus the advantage.
"""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.grpo import GroupRelative
from etude.objective.modifier.truncated_failures import TruncatedFailures

METHOD = "length_curriculum"
CONFIG = {"kind", "eps", "std_ddof"}
INPUTS = {"rewards", "hit_max_length"}


def run(case: Any) -> None:
    case.config.choose("kind", {"mask_truncated": None})
    case.config.choose("std_ddof", {1: None})  # the advantage's own
    made = objective(advantage=GroupRelative(epsilon=case.config.take("eps")))
    rewards, cut = case.inputs.tensor("rewards"), case.inputs.tensor("hit_max_length").bool()
    mask = torch.ones(len(rewards), 4, dtype=torch.float64)
    mask[~cut, 3] = 0.0
    groups = torch.zeros(len(rewards), dtype=torch.long)
    rollout = rollout_batch(mask, rewards=rewards, groups=groups, truncated=cut)
    found = made.estimate(rollout, made.make_state()).advantages
    zeros = torch.zeros_like(mask)
    batch = loss_batch(
        mask, zeros, found * mask, groups=groups, rewards=rewards, lengths=mask.sum(-1)
    )
    forward = GivenLogprobs(zeros)
    tokens = TruncatedFailures().modify(made.policy_loss.loss(batch, forward), batch, forward, None)
    case.check("advantages", -tokens.loss[:, 0])
