"""Token losses to one number."""

from __future__ import annotations

from typing import Any

from golden_objective import AGGREGATIONS

from etude.objective.batch import totals_of
from etude.objective.loss import aggregate

METHOD = "common_policy_gradient"
CONFIG = {"mode"}
INPUTS = {"loss_mat"}


def run(case: Any) -> None:
    make = case.config.choose("mode", AGGREGATIONS)
    aggregation = make(case.config.take("loss_scale_factor", None))
    losses = case.inputs.tensor("loss_mat").requires_grad_()
    mask = case.inputs.tensor("mask")
    weights = aggregation.weights(mask, totals_of(mask, width=mask.shape[1]))
    loss = aggregate(losses, weights)
    loss.backward()
    case.check("loss", loss)
    case.check("grad_loss_mat", losses.grad)
