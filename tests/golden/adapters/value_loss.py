"""The clipped loss of a critic."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import AGGREGATIONS, loss_batch

from etude.objective.critic.kind import TARGETS
from etude.objective.critic.loss.squared import SquaredError
from etude.objective.critic.value import ValueCritic

METHOD = "common_policy_gradient"
CONFIG = {"cliprange_value"}
INPUTS = {"vpreds", "values"}


def run(case: Any) -> None:
    predicted = case.inputs.tensor("vpreds").requires_grad_()
    mask, returns = case.inputs.tensor("mask"), case.inputs.tensor("returns")
    zeros = torch.zeros_like(mask)
    batch = loss_batch(mask, zeros, zeros, values=case.inputs.tensor("values"), returns=returns)
    critic = ValueCritic(coef=1.0, loss=SquaredError(clip=case.config.take("cliprange_value")))
    aggregation = case.config.choose("aggregate", AGGREGATIONS)(None)
    term = critic.term(predicted.unsqueeze(-1), batch.mark(TARGETS, returns), aggregation)
    term.loss.backward()
    case.check("loss", term.loss)
    case.check("grad_vpreds", predicted.grad)
    case.check("clipfrac", term.metrics["critic/clip_fraction"].value())
