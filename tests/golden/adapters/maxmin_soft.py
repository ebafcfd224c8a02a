"""Weights of groups by their means, batch after batch."""

from __future__ import annotations

from typing import Any

import torch

from etude.reward_weighting.maxmin import MaxMin

METHOD = "maxmin"
CONFIG = {"tau", "eta"}
INPUTS = {"group_means_per_batch"}


def run(case: Any) -> None:
    case.config.take("kind")
    options = {"tau": case.config.take("tau"), "eta": case.config.take("eta")}
    ways = {way: MaxMin(selection=way, **options) for way in ("multiplicative", "softmin", "hard")}
    states = {way: weighting.start(0) for way, weighting in ways.items()}
    trace = []
    for means in case.inputs.take("group_means_per_batch"):
        parts = {f"group{k}": torch.tensor([mean]).double() for k, mean in enumerate(means)}
        every = {name: torch.ones(1, dtype=torch.bool) for name in parts}
        found = {}
        for way, weighting in ways.items():
            combined = weighting.combine(parts, applies=every, state=states[way])
            states[way], found[way] = combined.state, list(combined.weights.values())
        found["argmin"] = found.pop("hard").index(1.0)
        trace.append(found)
    case.check("trace", trace)
