"""Corrections of the mismatch between sampler and trainer, with the plain REINFORCE loss."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import GivenLogprobs, composed, loss_batch, objective

from etude.objective.batch import totals_of
from etude.objective.mismatch.kind import measured, sampled_tokens
from etude.objective.policy_loss.reinforce import Reinforce

METHOD = "mismatch"
CONFIG = {"preset"}
INPUTS = {"sampler_logprobs", "old_logprobs"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    chosen = composed("grpo", f"objective/mismatch={config.take('preset')}").mismatch
    typed = {key: config.take(key) for key in ("level", "low", "high") if key in config}
    correction = dataclasses.replace(chosen, **typed)
    old, mask = inputs.tensor("old_logprobs"), inputs.tensor("mask")
    batch = loss_batch(
        mask,
        old,
        inputs.tensor("advantages"),
        sampler_logprobs=inputs.tensor("sampler_logprobs"),
        off_policy=inputs.tensor("off_policy", None),
    )
    for name, metric in measured(batch).items():
        case.check(name.removeprefix("mismatch/"), metric.value())
    outside = (correction.outside(batch) * sampled_tokens(batch)).sum()
    case.check("outside", outside / sampled_tokens(batch).sum())
    whole = objective(policy_loss=Reinforce(), mismatch=correction)
    corrected = whole.correct(batch)
    corrected = dataclasses.replace(
        corrected, totals=totals_of(corrected.mask, batch.groups, width=mask.shape[1])
    )
    case.check("weights", corrected.rollout_weights * mask)
    logprobs = old.clone().requires_grad_()
    loss = whole.loss(corrected, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", torch.zeros_like(old) + logprobs.grad)
