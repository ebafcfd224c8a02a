"""Clip-Cov: covariances, candidates, budget, and the loss without the chosen tokens."""

from __future__ import annotations

from typing import Any

from golden_case import compare
from golden_objective import AGGREGATIONS, GivenLogprobs, loss_batch, objective

from etude.objective.modifier.clip_cov import MARK, ClipCov
from etude.objective.policy_loss.clipped import Clipped
from etude.primitives.covariance import token_covariance

METHOD = "clip_cov"
CONFIG = {"clip_cov_ratio", "clip_cov_lb", "clip_cov_ub"}
INPUTS = {"logprobs", "old_logprobs", "advantages", "mask"}


def run(case: Any) -> None:
    config = case.config
    part = ClipCov(
        ratio=config.take("clip_cov_ratio"),
        low=config.take("clip_cov_lb"),
        high=config.take("clip_cov_ub"),
    )
    made = objective(
        policy_loss=Clipped(clip_low=config.take("clip_low"), clip_high=config.take("clip_high")),
        aggregation=config.choose("aggregate", AGGREGATIONS, "token-mean")(None),
        modifier={"clip_cov": part},
    )
    logprobs, mask = case.inputs.tensor("logprobs"), case.inputs.tensor("mask")
    batch = loss_batch(mask, case.inputs.tensor("old_logprobs"), case.inputs.tensor("advantages"))
    batch = made.prepare(batch, {"logprobs": logprobs})
    covariance = token_covariance(batch.advantages, logprobs, mask)
    candidates = part.candidates(covariance, mask, batch.marks["clipped"])
    case.check("covariance", covariance)
    case.check("candidate_mask", candidates.int())
    case.check("budget", part.budget(mask))

    chosen = batch.marks[MARK]
    assert not (chosen & ~candidates).any()
    assert int(chosen.sum()) == min(part.budget(mask), int(candidates.sum()))
    logprobs.requires_grad_()
    result = made.loss(batch, GivenLogprobs(logprobs))
    result.total.backward()
    assert (logprobs.grad[chosen] == 0).all()
    # A case whose choice is random gives neither loss nor gradient.
    case.check_if_given("loss", result.total)
    case.check_if_given("grad_logprobs", logprobs.grad)
    if "metrics" in case.expected:
        expected = case.expected.take("metrics")
        found = {
            "actor/pg_clipfrac": result.metrics["objective/clip_cov_fraction"].value(),
            "actor/ppo_kl": result.metrics["objective/approx_kl"].value(),
        }
        assert set(found) == set(expected), f"{case.name}: metrics {sorted(expected)}"
        for name, value in expected.items():
            compare(f"{case.name}: {name}", found[name], value, case.rtol, case.atol)
