"""The rows of one prompt whose advantages vary most."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import objective, rollout_batch

from etude.objective.selection.d3s_rows import D3SRows

METHOD = "d3s"
CONFIG = {"k"}
INPUTS = {"advantages"}


def run(case: Any) -> None:
    advantages = case.inputs.tensor("advantages")
    share = case.config.take("k") / len(advantages)
    made = objective(selection={"d3s_rows": D3SRows(start=share, end=share)})
    mask = torch.ones(len(advantages), 2, dtype=torch.float64)
    batch = rollout_batch(mask, groups=torch.zeros(len(advantages), dtype=torch.long))
    kept, metrics = made.select(batch, advantages.unsqueeze(-1) * mask)
    rows = (kept.sum(-1) > 0).nonzero().flatten()
    case.check_if_given("selected", rows)
    case.check("variance", metrics["objective/selected_advantage_variance"])
    case.check_if_given("n_positive_selected", int((advantages[rows] > 0).sum()))
