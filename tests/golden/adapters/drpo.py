"""DRPO: loss, gradient and constraint of whole groups."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective

from etude.objective.advantage.none import NoAdvantage
from etude.objective.batch import totals_of
from etude.objective.policy_loss.drpo import DRPO

METHOD = "drpo"
CONFIG = {"delta", "tau", "Lambda"}
INPUTS = {"rewards", "group", "logprobs"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    part = DRPO(
        length_temperature=config.take("Lambda"),
        tau=config.take("tau"),
        delta=config.take("delta"),
        beta=config.take("beta"),
        kl=config.choose("kl_type", {"kl": "k1", "low_var_kl": "k3"}),
    )
    chosen = objective(advantage=NoAdvantage(), policy_loss=part)
    mask, groups = inputs.tensor("mask"), torch.tensor(inputs.take("group"))
    logprobs = inputs.tensor("logprobs").requires_grad_()
    batch = dataclasses.replace(
        loss_batch(mask, inputs.tensor("old_logprobs"), torch.zeros_like(mask)),
        groups=groups,
        rewards=inputs.tensor("rewards"),
        totals=totals_of(mask, groups, width=config.take("max_response_len")),
    )
    batch = chosen.prepare(batch, {"logprobs": logprobs.detach()})
    loss = chosen.loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
    case.check("kl", loss.metrics["objective/constraint_kl"].value())
    case.check("constraint_active", loss.metrics["objective/constraint_active"].value())
