"""The clipped loss of a critic."""

from __future__ import annotations

from typing import Any

from golden_objective import AGGREGATIONS

from etude.objective.batch import totals_of
from etude.objective.loss import aggregate, token_metric
from etude.primitives.value import clipped_value_loss

METHOD = "common_policy_gradient"
CONFIG = {"cliprange_value"}
INPUTS = {"vpreds", "values"}


def run(case: Any) -> None:
    predicted = case.inputs.tensor("vpreds").requires_grad_()
    mask = case.inputs.tensor("mask")
    losses, clipped = clipped_value_loss(
        predicted,
        case.inputs.tensor("values"),
        case.inputs.tensor("returns"),
        case.config.take("cliprange_value"),
    )
    aggregation = case.config.choose("aggregate", AGGREGATIONS)(None)
    loss = aggregate(losses, aggregation.weights(mask, totals_of(mask, width=mask.shape[1])))
    loss.backward()
    case.check("loss", loss)
    case.check("grad_vpreds", predicted.grad)
    case.check("clipfrac", token_metric(clipped, mask).value())
