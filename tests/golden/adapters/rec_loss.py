"""The REC and RED losses of tokens."""

from __future__ import annotations

from typing import Any

from golden_objective import GivenLogprobs, loss_batch, objective

from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.policy_loss.rec import REC

METHOD = "rec"
CONFIG = {"clip_mode"}
INPUTS = {"logprobs", "old_logprobs", "advantages", "mask"}

MODES = {
    "none": "none",
    "one-side": "one_side",
    "two-side": "two_side",
    "ring": "ring",
    "gspo-one-side": "gspo_one_side",
}
WEIGHTS = {
    name: name for name in ("none", "importance_sampling", "gspo_importance_sampling", "advantage")
}
REGULARIZERS = {"none": "none", "k2": "k2", "forward-kl": "forward_kl"}


def run(case: Any) -> None:
    config = case.config
    loss = REC(
        clip_mode=config.choose("clip_mode", MODES),
        weight=config.choose("weight", WEIGHTS, "none"),
        regularizer=config.choose("regularizer", REGULARIZERS, "none"),
        regularizer_coef=config.take("regularizer_coef", 0.0),
        clip_low=config.take("epsilon_low", 0.2),
        clip_high=config.take("epsilon_high", 0.2),
        ring_low=config.take("epsilon_low_prime", 0.4),
        ring_high=config.take("epsilon_high_prime", 0.4),
        temp=config.take("temp", 1.0),
    )
    whole = SequenceMeanTokenMean() if loss.clip_mode == "gspo_one_side" else TokenMean()
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    batch = loss_batch(
        case.inputs.tensor("mask"),
        case.inputs.tensor("old_logprobs"),
        case.inputs.tensor("advantages"),
    )
    result = objective(policy_loss=loss, aggregation=whole).loss(batch, GivenLogprobs(logprobs))
    result.total.backward()
    case.check("loss", result.total)
    case.check("grad_logprobs", logprobs.grad)
    if "metrics" in case.expected:
        reported = {"pg_clipfrac": result.metrics["objective/clip_fraction"].value()}
        expected = case.expected.take("metrics")
        assert set(expected) <= set(reported), f"{case.name}: metrics {sorted(expected)}"
        for name, value in expected.items():
            close = abs(reported[name] - value) <= case.atol + case.rtol * abs(value)
            assert close, f"{case.name}: {name} is {reported[name]} instead of {value}"
