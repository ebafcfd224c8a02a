"""Corrected rewards, their advantages and the clipped loss."""

from __future__ import annotations

from typing import Any

import torch
from given_verdicts import Given, candidates
from golden_objective import AGGREGATIONS, GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.dr_grpo import GroupCentred
from etude.objective.advantage.grpo import GroupRelative
from etude.objective.advantage.reinforce import Reinforce
from etude.objective.policy_loss.clipped import Clipped
from etude.reward_weighting.weighted_sum import WeightedSum
from etude.verifier.host import Alone
from etude.verifier.noisy_channel import NoisyChannel

METHOD = "noisy_verifier"
CONFIG = {"mode"}
INPUTS = {"observed_rewards"}

ADVANTAGES = {"group_mean": GroupCentred(), "none": Reinforce()}
LOSSES = {"token-mean over the whole batch": AGGREGATIONS["token-mean"]}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    channel = NoisyChannel(
        rule=Given(),
        correction=config.take("mode"),
        false_positive=config.take("rho0"),
        false_negative=config.take("rho1"),
        scale=config.take("scale"),
        min_denominator=config.take("min_denominator"),
    )
    observed = inputs.take("observed_rewards")
    verdicts = Alone().open(channel).verify(candidates(given=observed))
    assert [each.parts["observed"] for each in verdicts] == observed
    parts = {"accuracy": torch.tensor([v.parts["accuracy"] for v in verdicts], dtype=torch.float64)}
    rewards = WeightedSum(weights={"accuracy": 1.0}).combine(parts)
    case.check("coefficients", rewards)
    mask = inputs.tensor("mask")
    one = torch.zeros(len(observed), dtype=torch.int64)
    batch = rollout_batch(mask, rewards=rewards, groups=one)
    whole = objective(
        advantage=config.choose("center", ADVANTAGES),
        policy_loss=Clipped(clip_low=config.take("clip_low"), clip_high=config.take("clip_high")),
        aggregation=config.choose("loss_agg", LOSSES)(None),
    )
    advantages = whole.advantages(batch)
    case.check("advantages", advantages[:, 0])
    logprobs = inputs.tensor("logprobs").requires_grad_()
    given = loss_batch(mask, inputs.tensor("old_logprobs"), advantages, groups=one)
    loss = whole.loss(given, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
    # What a z-score would make of both: the reason why it is refused.
    scored = objective(advantage=GroupRelative())
    raw = rollout_batch(mask, rewards=torch.tensor(observed, dtype=torch.float64), groups=one)
    case.check("zscored_observed", scored.advantages(raw)[:, 0])
    case.check("zscored_corrected", scored.advantages(batch)[:, 0])
