"""Weights that move by inner products of gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.reward_weighting.gradient import GradientWeights
from etude.reward_weighting.interface import Tools

METHOD = "dynamic_reward_weighting"
CONFIG = {"regularization_factor"}
INPUTS = {"flat_gradients_per_step"}


@dataclass(frozen=True)
class Flat:
    values: Tensor

    def dot(self, other: Flat) -> float:
        return float(self.values @ other.values)


@dataclass(frozen=True, kw_only=True)
class Given(Tools):
    """Tools whose gradients are those of the case: the advantages are a part's number."""

    flat: Tensor

    def advantages(self, part: Any) -> Any:
        return int(part.removeprefix("part"))

    def gradient(self, advantages: Any, rows: Any = None, layers: Any = None) -> Flat:
        return Flat(self.flat[advantages])


def run(case: Any) -> None:
    assert case.config.take("kind") == "gradient"
    begun = {f"part{k}": w for k, w in enumerate(case.config.take("initial_weights"))}
    weighting = GradientWeights(
        weights=begun,
        regularization=case.config.take("regularization_factor"),
        accumulate=case.config.take("weight_accumulation_steps"),
    )
    rate = case.config.take("lr")
    parts = {name: torch.ones(1, dtype=torch.float64) for name in begun}
    state, updates = weighting.start(0), []
    for flat in case.inputs.tensor("flat_gradients_per_step"):
        tools = Given(learning_rate=rate, flat=flat)
        found = weighting.combine(parts, state=state, tools=tools)
        state = found.state
        assert float(found.rewards) == sum(found.weights.values())
        updates.append(
            {
                "influence": [found.metrics[f"influence/{name}"] for name in begun],
                "update_factor": [found.metrics[f"factor/{name}"] for name in begun],
                "weights": [found.weights[name] for name in begun],
            }
        )
    case.check("updates", updates)
