"""Policy losses under the names of verl."""

from __future__ import annotations

from typing import Any

from golden_objective import AGGREGATIONS, GivenLogprobs, loss_batch, objective

from etude.objective.policy_loss.cispo import CISPO
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.policy_loss.gspo import GSPO
from etude.objective.policy_loss.reinforce import Reinforce

METHOD = "common_policy_gradient"
CONFIG = {"loss"}
INPUTS = {"logprobs", "old_logprobs"}

METRICS = {
    "actor/pg_clipfrac": "objective/clip_fraction",
    "actor/ppo_kl": "objective/approx_kl",
    "actor/pg_clipfrac_lower": "objective/dual_clip_fraction",
}


def clip(config: Any) -> dict[str, float]:
    return {"clip_low": config.take("clip_low"), "clip_high": config.take("clip_high")}


def cispo(config: Any) -> CISPO:
    bounds = clip(config)
    return CISPO(min_ratio=1 - bounds["clip_low"], max_ratio=1 + bounds["clip_high"])


LOSSES = {
    "reinforce": lambda config: Reinforce(),
    "ppo_clip": lambda config: Clipped(**clip(config), dual_clip=config.take("dual_clip", None)),
    "gspo": lambda config: GSPO(**clip(config)),
    "cispo": cispo,
}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    parts = {
        "policy_loss": config.choose("loss", LOSSES)(config),
        "aggregation": config.choose("aggregate", AGGREGATIONS)(
            config.take("loss_scale_factor", None)
        ),
    }
    logprobs = inputs.tensor("logprobs").requires_grad_()
    given = "token_advantages" if "token_advantages" in inputs else "advantages"
    inputs.take("advantages", None)
    batch = loss_batch(
        inputs.tensor("mask"),
        inputs.tensor("old_logprobs"),
        inputs.tensor(given),
        rollout_weights=inputs.tensor("rollout_is_weights", None),
    )
    loss = objective(**parts).loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
    for theirs, value in case.expected.take("metrics", {}).items():
        assert theirs in METRICS, f"{case.name}: metric {theirs} is not known"
        ours = loss.metrics.get(METRICS[theirs])
        reported = ours.value() if ours is not None else 0.0
        close = abs(reported - value) <= case.atol + case.rtol * abs(value)
        assert close, f"{case.name}: {theirs} is {reported} instead of {value}"
