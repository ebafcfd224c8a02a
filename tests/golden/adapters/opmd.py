"""Mirror descent: baselines, and the simple, quadratic and pairwise losses."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.opmd import OPMD as Baseline
from etude.objective.policy_loss.opmd import OPMD
from etude.objective.policy_loss.opmd_kimi import KimiOPMD
from etude.objective.policy_loss.opmd_pairwise import PairwiseOPMD

METHOD = "opmd"
CONFIG = {"variant", "tau"}
INPUTS = {"rewards", "mask", "logprobs"}

LOSSES = {"simple": OPMD, "kimi": KimiOPMD, "pairwise": PairwiseOPMD}


def run(case: Any) -> None:
    tau = case.config.take("tau")
    baseline = case.config.choose(
        "baseline",
        {
            "mean": lambda: Baseline(),  # the mean has no temperature, and 0 is none of the other
            "logavgexp": lambda: Baseline(baseline="logavgexp", tau=tau),
        },
        "mean",
    )()
    chosen = objective(
        advantage=baseline, policy_loss=case.config.choose("variant", LOSSES)(tau=tau)
    )
    rewards, mask = case.inputs.tensor("rewards"), case.inputs.tensor("mask")
    groups = torch.tensor(case.inputs.take("group", [0] * len(rewards)))
    advantages = chosen.advantages(rollout_batch(mask, rewards=rewards, groups=groups))
    if "sequence_advantages" in case.expected:
        case.check("sequence_advantages", advantages.sum(-1) / mask.sum(-1))
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    old = case.inputs.tensor("old_logprobs", None)
    batch = dataclasses.replace(
        loss_batch(mask, torch.zeros_like(mask) if old is None else old, advantages),
        groups=groups,
        rewards=rewards,
    )
    loss = chosen.loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
