"""Running golden cases of losses that tell demonstrated tokens from own ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import GivenLogprobs, loss_batch, objective, rollout_batch

from etude.objective.advantage.dr_grpo import GroupCentred
from etude.objective.aggregation.fixed_length import FixedLength
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.policy_loss.mixed import Mixed

#: Their names of numbers in the log → ours.
METRICS = {
    "off_pg_loss": "objective/off_loss",
    "on_pg_loss": "objective/own_loss",
    "ppo_kl": "objective/approx_kl",
    "off_policy_prob": "objective/off_probability",
    "on_policy_prob": "objective/own_probability",
    "off_ratio_mean": "objective/off_ratio",
    "off_ratio_max_clip_frac": "objective/off_max_clip_fraction",
    "off_ratio_min_clip_frac": "objective/off_min_clip_fraction",
}


def shared_options(config: Any, inputs: Any) -> dict[str, Any]:
    """Return the options that every mixed loss has."""
    clip = config.take("cliprange")
    return {
        "clip": None if config.take("loss_remove_clip") else clip,
        "clip_upper_bound": config.take("clip_upper_bound"),
        "off_max_clip": config.take("off_max_clip"),
        "off_min_clip": config.take("off_min_clip"),
        "all_max_clip": config.take("all_max_clip"),
        "expert": "reference" if "target_probs" in inputs else "unknown",
    }


def run(case: Any, loss: Mixed) -> None:
    """Compare advantages, loss, gradient and numbers of the log."""
    config, inputs = case.config, case.inputs
    assert config.take("advantage") == "group mean subtracted, no std"
    assert config.take("loss_denominator") == "padded response length T"
    summed = config.take("loss_remove_token_mean")
    mask, given = inputs.tensor("response_mask"), inputs.tensor("prefix_mask")
    chosen = objective(
        advantage=GroupCentred(),
        policy_loss=loss,
        aggregation=FixedLength(divide_by_rows=False) if summed else TokenMean(),
    )
    names = inputs.take("uids")
    groups = torch.tensor([sorted(set(names)).index(name) for name in names])
    rewards = inputs.tensor("sequence_rewards")
    estimate = chosen.estimate(rollout_batch(mask, rewards=rewards, groups=groups))
    torch.testing.assert_close(estimate.advantages, inputs.tensor("advantages"))
    case.check("advantages", estimate.advantages)

    expert = inputs.tensor("target_probs", None)
    logprobs = inputs.tensor("logprobs").requires_grad_()
    batch = loss_batch(
        mask,
        inputs.tensor("old_logprobs"),
        estimate.advantages,
        off_policy=given,
        role_logprobs={} if expert is None else {"reference": expert.log()},
    )
    prepared = chosen.prepare(batch, {"logprobs": logprobs.detach()})
    result = chosen.loss(prepared, GivenLogprobs(logprobs))
    result.total.backward()
    case.check("loss", result.total)
    case.check("grad_logprobs", logprobs.grad)

    # Their log counts also the tokens that all_max_clip leaves out.
    whole = dataclasses.replace(chosen, policy_loss=dataclasses.replace(loss, all_max_clip=None))
    metrics = whole.loss(batch, GivenLogprobs(logprobs)).metrics
    for theirs, ours in METRICS.items():
        case.check(theirs, metrics[ours].value() if ours in metrics else 0.0)
    # Their share of clipped tokens asks of demonstrated ones, too, whether they would be clipped.
    as_own = dataclasses.replace(batch, off_policy=None)
    clipped = whole.loss(as_own, GivenLogprobs(logprobs)).metrics["objective/clip_fraction"]
    case.check("on_pg_clipfrac", clipped.value())
