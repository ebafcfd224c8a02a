"""The share of tokens that is kept at each step of a stage."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import loss_batch, objective

from etude.objective.selection.d3s_tokens import D3STokens

METHOD = "d3s"
CONFIG = {"start", "end", "total_steps"}
INPUTS = {"steps"}
TOKENS = 1000  # the golden shares are multiples of 1/1000


def run(case: Any) -> None:
    part = D3STokens(start=case.config.take("start"), end=case.config.take("end"))
    made = objective(selection={"d3s_tokens": part})
    scores = torch.arange(1.0, TOKENS + 1, dtype=torch.float64).unsqueeze(0)
    batch = loss_batch(torch.ones_like(scores), torch.zeros_like(scores), scores)
    batch = dataclasses.replace(batch, steps=case.config.take("total_steps"))
    shares = []
    for step in case.inputs.take("steps"):
        at = dataclasses.replace(batch, step=step)
        kept = made.prepare(at, {"entropy": torch.ones_like(scores)})
        shares.append(kept.totals.tokens / TOKENS)
    case.check("ratio", shares)
