"""Policy losses under the names of TRL's GRPO trainer."""

from __future__ import annotations

from typing import Any

from golden_objective import GivenLogprobs, loss_batch, objective

from etude.objective.aggregation.fixed_length import FixedLength
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.policy_loss.cispo import CISPO
from etude.objective.policy_loss.clipped import Clipped
from etude.objective.policy_loss.gspo import GSPO
from etude.objective.regularizer.kl import KL

METHOD = "common_policy_gradient"
CONFIG = {"loss_type"}
INPUTS = {"logprobs", "old_logprobs"}


def token_level(config: Any) -> Clipped:
    low = config.take("epsilon_low", config.take("epsilon", 0.2))
    return Clipped(
        clip_low=low,
        clip_high=config.take("epsilon_high", low),
        delta=config.take("delta", None),
    )


def sequence_level(config: Any) -> GSPO:
    low = config.take("epsilon_low", config.take("epsilon", 0.2))
    return GSPO(clip_low=low, clip_high=config.take("epsilon_high", low))


LEVELS = {"token": token_level, "sequence": sequence_level}


def by_level(config: Any) -> Any:
    return config.choose("importance_sampling_level", LEVELS, "token")(config)


#: loss_type → (policy loss, aggregation)
TYPES = {
    "grpo": (by_level, lambda config: SequenceMeanTokenMean(count_empty_rows=True)),
    "bnpo": (by_level, lambda config: TokenMean()),
    "dapo": (by_level, lambda config: TokenMean()),
    "dr_grpo": (
        by_level,
        lambda config: FixedLength(
            length=config.take("max_completion_length"), count_empty_rows=True
        ),
    ),
    "cispo": (
        lambda config: CISPO(max_ratio=config.take("epsilon_high")),
        lambda config: TokenMean(),
    ),
}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    make_loss, make_aggregation = config.choose("loss_type", TYPES)
    kl = KL(
        coef=config.take("beta", 0.0),
        estimator="k3",
        importance_weight=config.take("use_bias_correction_kl", False),
    )
    trained = objective(
        policy_loss=make_loss(config),
        aggregation=make_aggregation(config),
        regularizer={"kl": kl},
    )
    logprobs = inputs.tensor("logprobs").requires_grad_()
    batch = loss_batch(
        inputs.tensor("mask"),
        inputs.tensor("old_logprobs"),
        inputs.tensor("advantages"),
        role_logprobs={"reference": inputs.tensor("ref_logprobs", None)},
    )
    loss = trained.loss(batch, GivenLogprobs(logprobs))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logprobs", logprobs.grad)
