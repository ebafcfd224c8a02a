"""Each part by its running mean and standard deviation, then summed by weight.

    m ← d·m + (1 − d)·mean(part),   v ← d·v + (1 − d)·mean((part − m)²)
    R = Σ_k w_k · (part_k − m_k) / (√v_k + ε)

So a part of a large scale does not drown the others, and one that has settled weighs the more the
less it varies. The first step's own mean and variance are where the averages begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.component import OF_BATCH, component, option
from etude.live import Tree
from etude.reward_weighting.interface import Combined
from etude.reward_weighting.weighted import Weighted, weighted_sum


@component(provides=[OF_BATCH])
@dataclass(frozen=True)
class Running(Weighted):
    """The weighted sum of parts that are normalised by what they have been over the steps."""

    decay: float = option(0.99, "d, how much of the averages a step keeps", ge=0, lt=1)
    epsilon: float = option(1e-4, "ε, added to standard deviations", gt=0)

    def start(self, seed: int) -> Tree:
        """Return averages of nothing yet."""
        return {}

    def combine(
        self, parts: Mapping[str, Tensor], applies: Mapping[str, Tensor], state: Tree
    ) -> Combined:
        """Return the rewards by the averages that this step has moved, and these averages."""
        weights = self.weighed(parts)
        moved = dict(state)
        scored = {}
        for name in weights:
            values = parts[name].double()
            some = values[applies[name]]
            if len(some):
                moved[name] = self._moved(state.get(name), some)
            known = moved.get(name)
            if known is None:
                scored[name] = torch.zeros_like(values)
                continue
            scores = (values - known["mean"]) / (known["variance"] ** 0.5 + self.epsilon)
            scored[name] = torch.where(applies[name], scores, torch.zeros_like(scores))
        metrics = {
            f"{kind}/{name}": value**0.5 if kind == "variance" else value
            for name, known in moved.items()
            for kind, value in known.items()
        }
        shown = {name.replace("variance/", "std/"): value for name, value in metrics.items()}
        rewards = weighted_sum(weights, scored).to(next(iter(parts.values())))
        return Combined(rewards, state=moved, metrics=shown)

    def _moved(self, known: Mapping[str, float] | None, values: Tensor) -> dict[str, float]:
        mean = float(values.mean())
        if known is None:
            return {"mean": mean, "variance": float((values - mean).square().mean())}
        mean = self.decay * known["mean"] + (1 - self.decay) * mean
        spread = float((values - mean).square().mean())
        return {
            "mean": mean,
            "variance": self.decay * known["variance"] + (1 - self.decay) * spread,
        }
