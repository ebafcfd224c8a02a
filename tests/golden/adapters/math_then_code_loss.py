"""One update a batch, from rewards of groups to the gradient, by the recipe's objective."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, composed, loss_batch, rollout_batch

METHOD = "math_then_code"
CONFIG = {"kind", "beta", "aggregation", "std_epsilon"}
INPUTS = {"rewards", "logprobs", "mask"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    config.choose("kind", {"on_policy_grpo": None})
    config.choose("beta", {0.0: None})
    config.choose("aggregation", {"token mean over the batch": None})
    epsilon = config.take("std_epsilon")
    objective = composed(
        "grpo", "objective/aggregation=token_mean", f"objective.advantage.epsilon={epsilon}"
    )
    rewards, mask = inputs.tensor("rewards"), inputs.tensor("mask")
    groups = torch.arange(len(rewards)).repeat_interleave(rewards.shape[1])
    batch = rollout_batch(mask, groups=groups, rewards=rewards.flatten())
    advantages = objective.advantages(batch)
    case.check("advantages", advantages[:, 0])
    logprobs = inputs.tensor("logprobs").requires_grad_()
    loss = objective.loss(
        loss_batch(mask, logprobs.detach(), advantages, groups=groups), GivenLogprobs(logprobs)
    )
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
