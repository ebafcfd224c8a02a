"""Guide-PPO: a critic's advantages, and the hinted context in the denominator of guided rows."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.gae import GeneralisedAdvantage
from etude.objective.policy_loss.clipped import Clipped

METHOD = "guide"
CONFIG = {"gamma", "lam"}
INPUTS = {"guided_rows", "values_without_hint"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "guide_ppo"
    clip = config.take("epsilon")
    chosen = objective(
        advantage=GeneralisedAdvantage(
            gamma=config.take("gamma"), lam=config.take("lam"), whiten=config.take("whiten")
        ),
        policy_loss=Clipped(clip_low=clip, clip_high=clip),
    )
    mask = inputs.tensor("mask")
    estimate = chosen.estimate(
        rollout_batch(
            mask,
            token_rewards=inputs.tensor("token_rewards"),
            values=inputs.tensor("values_without_hint"),
        )
    )
    guided = inputs.tensor("guided_rows")
    old = torch.where(
        guided.unsqueeze(-1) > 0,
        inputs.tensor("old_logprobs_with_hint"),
        inputs.tensor("old_logprobs"),
    )
    logprobs = inputs.tensor("logprobs_without_hint").requires_grad_()
    batch = loss_batch(mask, old, estimate.advantages, moved=guided)
    result = chosen.loss(batch, GivenLogprobs(logprobs))
    result.total.backward()
    case.check("advantages", estimate.advantages)
    case.check("returns", estimate.returns)
    case.check("loss", result.total)
    case.check("grad_logprobs", logprobs.grad)
