"""DPO on a right answer and a wrong one cut after its first pit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from golden_objective import GivenLogprobs, composed

from etude.objective.pair_loss.dpo import DPO as DPOLoss
from etude.objective.pairs import PairBatch, PairTotals, Side

METHOD = "per_step_negatives"
CONFIG = {"kind", "beta"}
INPUTS = {"chosen_logprobs", "rejected_logprobs"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "per_step_dpo"
    loss = DPOLoss(beta=case.config.take("beta"))
    leaves, sides = {}, {}
    for name in ("chosen", "rejected"):
        leaves[name] = case.inputs.tensor(f"{name}_logprobs").requires_grad_()
        sides[name] = Side(
            GivenLogprobs(leaves[name]),
            case.inputs.tensor(f"{name}_mask"),
            case.inputs.tensor(f"{name}_ref_logprobs"),
        )
    pairs = leaves["chosen"].shape[0]
    tokens = {f"{name}_tokens": int(side.mask.sum()) for name, side in sides.items()}
    batch = PairBatch(**sides, seeds=torch.arange(pairs), totals=PairTotals(pairs, **tokens))
    total = replace(composed("dpo"), pair_loss=loss).loss(batch).total
    total.backward()
    case.check("loss", total)
    for name, leaf in leaves.items():
        case.check(f"grad_{name}", leaf.grad)
    chosen, rejected = loss.rewards(batch)
    case.check("margin", chosen - rejected)
