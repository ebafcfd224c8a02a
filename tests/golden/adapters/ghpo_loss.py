"""The loss of GHPO, which is GRPO's; a device has the rows of one prompt."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective

from etude.objective.aggregation.fixed_length import FixedLength
from etude.objective.aggregation.group_mean_token_mean import GroupMeanTokenMean
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.regularizer.kl import KL

METHOD = "ghpo"
CONFIG = {"loss_type", "num_iterations"}
INPUTS = {"logprobs", "advantages"}

#: Their names of aggregations → ours, by the response limit.
AGGREGATIONS = {
    "bnpo": lambda limit: GroupMeanTokenMean(),
    "grpo": lambda limit: SequenceMeanTokenMean(),
    "dr_grpo": lambda limit: FixedLength(length=limit, count_empty_rows=True),
}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "loss"
    limit, beta = config.take("max_completion_length"), config.take("beta")
    chosen = objective(
        policy_loss=Clipped(
            clip_low=config.take("epsilon_low"), clip_high=config.take("epsilon_high")
        ),
        aggregation=config.choose("loss_type", AGGREGATIONS)(limit),
        regularizer={"kl": KL(coef=beta, estimator="k3")},
    )
    logprobs = inputs.tensor("logprobs").requires_grad_()
    sampled = inputs.tensor("old_logprobs")
    # One update a rollout batch: the policy that sampled is the present one.
    old = logprobs.detach() if config.take("num_iterations") == 1 else sampled
    mask = inputs.tensor("response_mask")
    size = config.take("per_device_rows", len(mask))  # one device has all of them
    batch = loss_batch(
        mask,
        old,
        inputs.tensor("advantages"),
        role_logprobs={"reference": inputs.tensor("ref_logprobs")},
        groups=torch.arange(len(mask)) // size,
    )
    result = chosen.loss(batch, GivenLogprobs(logprobs))
    result.total.backward()
    case.check("loss", result.total)
    case.check("grad_logprobs", logprobs.grad)
