"""KL-Cov: which tokens are held, and the loss with the penalty on them."""

from __future__ import annotations

from typing import Any

from golden_case import compare
from golden_objective import AGGREGATIONS, GivenLogprobs, loss_batch, objective

from etude.objective.modifier.kl_cov import MARK, KLCov
from etude.objective.policy_loss.clipped import Clipped

METHOD = "kl_cov"
CONFIG = {"kl_cov_ratio", "ppo_kl_coef"}
INPUTS = {"logprobs", "old_logprobs", "advantages", "mask"}


def run(case: Any) -> None:
    config = case.config
    made = objective(
        policy_loss=Clipped(clip_low=1.0, clip_high=1e9),  # the part preset `unclipped`
        aggregation=config.choose("aggregate", AGGREGATIONS)(None),
        modifier={
            "kl_cov": KLCov(ratio=config.take("kl_cov_ratio"), coef=config.take("ppo_kl_coef"))
        },
    )
    logprobs = case.inputs.tensor("logprobs")
    batch = loss_batch(
        case.inputs.tensor("mask"),
        case.inputs.tensor("old_logprobs"),
        case.inputs.tensor("advantages"),
    )
    batch = made.prepare(batch, {"logprobs": logprobs})
    chosen = batch.marks[MARK]
    case.check("selected_mask", chosen.int())
    case.check("n_selected", int(chosen.sum()))
    logprobs.requires_grad_()
    result = made.loss(batch, GivenLogprobs(logprobs))
    result.total.backward()
    case.check("loss", result.total)
    case.check("grad_logprobs", logprobs.grad)
    if "metrics" in case.expected:
        expected = case.expected.take("metrics")
        assert set(expected) == {"actor/ppo_kl"}, f"{case.name}: metrics {sorted(expected)}"
        found = result.metrics["objective/absolute_log_ratio"].value()
        where = f"{case.name}: actor/ppo_kl"
        compare(where, found, expected["actor/ppo_kl"], case.rtol, case.atol)
