"""KL to a reference model in the reward."""

from __future__ import annotations

from typing import Any

from golden_objective import objective, rollout_batch

from etude.objective.shaping.kl_penalty import KLPenalty

METHOD = "common_policy_gradient"
CONFIG = {"kl_coef"}
INPUTS = {"token_scores", "old_logprobs", "ref_logprobs"}


def run(case: Any) -> None:
    scores = case.inputs.tensor("token_scores")
    batch = rollout_batch(
        case.inputs.tensor("mask"),
        token_rewards=scores,
        rewards=scores.sum(-1),
        old_logprobs=case.inputs.tensor("old_logprobs"),
        role_logprobs={"reference": case.inputs.tensor("ref_logprobs")},
    )
    penalty = KLPenalty(
        coef=case.config.take("kl_coef"), estimator=case.config.take("estimator", "k1")
    )
    shaped, _ = objective(shaping={"kl_penalty": penalty}).shape(batch)
    case.check("token_rewards_masked", shaped.token_rewards * shaped.mask)
