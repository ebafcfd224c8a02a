"""Which rows of each prompt are kept."""

from __future__ import annotations

import math
from typing import Any

import torch

from etude.objective.selection.policy_filtration import PolicyFiltration, r_squared, ranks

METHOD = "policy_filtration"
CONFIG = {"kind", "N"}
INPUTS = {"rewards"}


def run(case: Any) -> None:
    kind, size = case.config.take("kind"), case.config.take("N")
    from_inputs = case.inputs.tensor("rewards")
    rewards = from_inputs.flatten()
    groups = torch.arange(len(rewards)) // size
    kept = {
        key: PolicyFiltration(strategy=strategy).kept(rewards, groups, torch.arange(len(rewards)))
        for key, strategy in (("bon", "best"), ("bw", "best_worst"))
    }
    if kind == "filter":
        for key, rows in kept.items():
            case.check(key, rows.long().reshape(-1, size))
        case.check("rank_order", [ranks(some).tolist() for some in rewards.reshape(-1, size)])
        return
    assert kind == "r_squared"
    scores = case.inputs.tensor("actual_scores").flatten()
    everything = torch.ones_like(groups, dtype=torch.bool)
    for key, rows in {"all": everything, **kept}.items():
        found = r_squared(rewards[rows], scores[rows])
        case.check(key, "nan" if math.isnan(found) else found)
