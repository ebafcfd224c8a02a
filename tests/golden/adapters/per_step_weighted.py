"""The advantage-weighted form: every token of a step carries the step's weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.objective.advantage_weighted import AdvantageWeighted
from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.token_loss.standard import Standard
from etude.objective.token_weights.step_advantages import StepAdvantages, step_weights

METHOD = "per_step_negatives"
CONFIG = {"kind", "beta", "weight_cap", "denominator"}
INPUTS = {"logprobs", "step_index", "step_advantages"}

DENOMINATORS = {"active tokens": "global_tokens"}


@dataclass
class GivenLogprobs:
    """A forward pass that returns given log-probs of the labels."""

    logprobs: Tensor


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "advantage_weighted"
    part = StepAdvantages(beta=config.take("beta"), cap=config.take("weight_cap"))
    objective = AdvantageWeighted(
        token_loss=Standard(),
        token_weights=part,
        denominator=config.choose("denominator", DENOMINATORS),
    )
    weights = [
        step_weights(steps, advantages, part.beta, part.cap)
        for steps, advantages in zip(
            inputs.take("step_index"), inputs.take("step_advantages"), strict=True
        )
    ]
    case.check("weights", weights)
    mask = inputs.tensor("response_mask")
    logprobs = inputs.tensor("logprobs").requires_grad_()
    totals = totals_of(mask, width=mask.shape[1])
    batch = SupervisedBatch(
        torch.zeros(mask.shape, dtype=torch.long),
        mask,
        totals,
        torch.tensor(weights, dtype=torch.float64),
    )
    loss = objective.loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
