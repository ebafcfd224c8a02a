"""Advantages with a shifted baseline, in the paper's plain REINFORCE loss."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.asymre import AsymRE
from etude.objective.policy_loss.reinforce import Reinforce

METHOD = "asymre"
CONFIG = {"baseline_shift"}
INPUTS = {"rewards", "mask", "logprobs"}


def run(case: Any) -> None:
    chosen = objective(
        advantage=AsymRE(shift=case.config.take("baseline_shift")), policy_loss=Reinforce()
    )
    rewards, mask = case.inputs.tensor("rewards"), case.inputs.tensor("mask")
    groups = torch.tensor(case.inputs.take("group", [0] * len(rewards)))
    advantages = chosen.advantages(rollout_batch(mask, rewards=rewards, groups=groups))
    case.check("sequence_advantages", advantages.sum(-1) / mask.sum(-1))
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    loss = chosen.loss(
        loss_batch(mask, torch.zeros_like(mask), advantages), GivenLogprobs(logprobs)
    )
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
