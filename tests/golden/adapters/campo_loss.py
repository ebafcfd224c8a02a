"""CAMPO's policy loss, as its preset chooses the parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from golden_objective import AGGREGATIONS, GivenLogprobs, composed, loss_batch

METHOD = "campo"
CONFIG = {"loss_agg_mode"}
INPUTS = {"logprobs", "old_logprobs"}


def run(case: Any) -> None:
    case.config.take("kind")
    preset = composed("campo")
    aggregation = case.config.choose("loss_agg_mode", AGGREGATIONS)(None)
    objective = replace(preset, aggregation=aggregation)
    clipped = objective.policy_loss
    assert clipped.clip_low == case.config.take("cliprange_low")
    assert clipped.clip_high == case.config.take("cliprange_high")
    assert clipped.dual_clip == case.config.take("clip_ratio_c")
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    batch = loss_batch(
        case.inputs.tensor("response_mask"),
        case.inputs.tensor("old_logprobs"),
        case.inputs.tensor("advantages"),
    )
    loss = objective.loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
    case.check("clipfrac", loss.metrics["objective/clip_fraction"].value())
    case.check("clipfrac_lower", loss.metrics["objective/dual_clip_fraction"].value())
    case.check("ppo_kl", loss.metrics["objective/approx_kl"].value())
