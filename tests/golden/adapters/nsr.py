"""Signed rewards: which rows are kept, their advantages, and the loss."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import AGGREGATIONS, GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.signed import Signed
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.selection.correct import Correct
from etude.objective.selection.wrong import Wrong

METHOD = "nsr"
CONFIG = {"mode", "positive_weight"}
INPUTS = {"rewards", "mask", "logprobs", "old_logprobs"}
SELECTIONS = {
    "psr": {"correct": Correct(metric="reward")},
    "nsr": {"wrong": Wrong(metric="reward")},
    "w_reinforce": {},
}


def run(case: Any) -> None:
    config = case.config
    assert config.take("gamma", 1.0) == 1.0  # an answer has one reward, at its end
    weight = config.take("positive_weight")
    made = objective(
        advantage=Signed(metric="reward", positive_weight=1.0 if weight is None else weight),
        selection=config.choose("mode", SELECTIONS),
        policy_loss=Clipped(clip_low=config.take("clip_low"), clip_high=config.take("clip_high")),
        aggregation=config.choose("aggregate", AGGREGATIONS)(None),
    )
    rollouts = rollout_batch(case.inputs.tensor("mask"), rewards=case.inputs.tensor("rewards"))
    advantages = made.estimate(rollouts).advantages
    mask, _ = made.select(rollouts, advantages)
    rows = (mask.sum(-1) > 0).nonzero().flatten()
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    batch = loss_batch(mask, case.inputs.tensor("old_logprobs"), advantages)
    result = made.loss(made.prepare(batch, {}), GivenLogprobs(logprobs))
    result.total.backward()
    dropped = torch.ones(len(mask), dtype=torch.bool)
    dropped[rows] = False
    assert (logprobs.grad[dropped] == 0).all()
    case.check("kept_rows", rows)
    case.check("advantages", advantages[rows])
    case.check("loss", result.total)
    case.check("grad_logprobs", logprobs.grad[rows])
    case.check_if_given("clipfrac", result.metrics["objective/clip_fraction"].value())
