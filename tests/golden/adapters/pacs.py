"""PACS: the cross-entropy of labels and relative scores."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective

from etude.objective.policy_loss.pacs import PACS

METHOD = "pacs"
CONFIG = {"reward_method", "adv_estimator", "weight_mode"}
INPUTS = {"logprobs", "old_logprobs", "rewards"}

SCORES = {"1": "log_ratio", "2": "mean_logprob"}
BASELINES = {"rloo": "rloo", "grpo": "grpo", "naive": "naive"}
WEIGHTS = {mode: mode or "none" for mode in ("question", "only_positive", "only_negative", None)}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    weights = config.choose("weight_mode", WEIGHTS)
    part = PACS(
        beta=config.take("beta"),
        score=config.choose("reward_method", SCORES),
        baseline=config.choose("adv_estimator", BASELINES),
        divide_by_std=config.take("norm_adv_by_std_in_grpo"),
        weights=weights if config.take("use_weight") else "none",
    )
    mask, groups = inputs.tensor("mask"), torch.tensor(inputs.take("group"))
    # Groups are known by id here; the reference cuts rows into runs of this length.
    size = config.take("group_size")
    assert (torch.unique(groups, return_counts=True)[1] == size).all(), case.name
    logprobs = inputs.tensor("logprobs").requires_grad_()
    batch = dataclasses.replace(
        loss_batch(mask, inputs.tensor("old_logprobs"), torch.zeros_like(mask)),
        groups=groups,
        rewards=inputs.tensor("rewards"),
    )
    loss = objective(policy_loss=part).loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
