"""ReLIFT's policy loss, and the advantages it is given."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import GivenLogprobs, composed, loss_batch, rollout_batch

from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.policy_loss.clipped import Clipped

METHOD = "relift"
CONFIG = {"kind", "cliprange"}
INPUTS = {"logprobs", "old_logprobs", "uids"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    config.choose("kind", {"rl_loss": None})
    # These cases give no distributions, so they leave out the entropy term.
    objective = dataclasses.replace(composed("relift"), auxiliary={})
    clip = config.take("cliprange")
    if not config.take("loss_remove_clip"):
        objective = dataclasses.replace(
            objective, policy_loss=Clipped(clip_low=clip, clip_high=clip)
        )
    if not config.take("loss_remove_token_mean"):
        objective = dataclasses.replace(objective, aggregation=TokenMean())
    mask, uids = inputs.tensor("response_mask"), inputs.take("uids")
    groups = torch.tensor([sorted(set(uids)).index(uid) for uid in uids])
    rewards = inputs.tensor("sequence_rewards")
    advantages = objective.advantages(rollout_batch(mask, groups=groups, rewards=rewards))
    torch.testing.assert_close(advantages, inputs.tensor("advantages"))

    logprobs = inputs.tensor("logprobs").requires_grad_()
    batch = loss_batch(mask, inputs.tensor("old_logprobs"), advantages)
    loss = objective.loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
    case.check("on_pg_loss", loss.metrics["objective/policy_loss"].value())
    case.check("clipfrac", loss.metrics["objective/clip_fraction"].value())
    case.check("ppo_kl", loss.metrics["objective/approx_kl"].value())
