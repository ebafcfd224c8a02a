"""GRPO of a stage: advantages by group, and the loss with its KL to where the stage began."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.grpo import GroupRelative
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.regularizer.kl import KL

METHOD = "multi_stage_grpo"
CONFIG = {"beta", "std_epsilon"}
INPUTS = {"rewards", "logprobs", "ref_logprobs"}


def run(case: Any) -> None:
    config = case.config
    config.choose("kind", {"grpo_loss": None})
    config.choose("aggregation", {"mean of per-sequence token means": None})
    trained = objective(
        advantage=GroupRelative(
            epsilon=config.take("std_epsilon"),
            std=config.choose("std", {"unbiased (n-1)": "sample"}),
        ),
        aggregation=SequenceMeanTokenMean(),
        regularizer={"kl": KL(coef=config.take("beta"), estimator="k3")},
    )
    rewards, mask = case.inputs.tensor("rewards"), case.inputs.tensor("mask")
    groups = torch.arange(len(rewards)).repeat_interleave(rewards.shape[1])
    batch = rollout_batch(mask, rewards=rewards.flatten(), groups=groups)
    advantages = trained.advantages(batch)
    case.check("advantages", advantages[:, 0])
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    reference = {"reference": case.inputs.tensor("ref_logprobs")}
    given = loss_batch(mask, logprobs.detach(), advantages, role_logprobs=reference)
    loss = trained.loss(given, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
