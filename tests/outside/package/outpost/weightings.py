"""Reward weightings: one that moves, one of advantages, one that asks for gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.component import component, option
from etude.reward_weighting.interface import Combined, Tools
from etude.reward_weighting.weighted_sum import WeightedSum


@component(group="reward_weighting", name="restless")
@dataclass(frozen=True)
class Restless(WeightedSum):
    """Turns from step to step towards the parts in which answers to one prompt differ."""

    pace: float = option(0.5, "how far a step moves the factors; 0 leaves them at 1", ge=0, le=1)

    def start(self, seed: int) -> dict[str, Any]:
        """Return factors of 1, of no step."""
        return {"factors": {}, "steps": 0}

    def combine(
        self, parts: Mapping[str, Tensor], *, groups: Tensor, state: Mapping[str, Any]
    ) -> Combined:
        """Return the sum with the factors so far, which the spreads in this step's groups move."""
        factors = {name: state["factors"].get(name, 1.0) for name in parts}
        rewards = super().combine({name: factors[name] * part for name, part in parts.items()})
        spread = {name: _spread(part, groups) for name, part in parts.items()}
        total = sum(spread.values())
        if total > 0:
            for name in factors:
                wanted = len(factors) * spread[name] / total
                factors[name] += self.pace * (wanted - factors[name])
        moved = {"factors": factors, "steps": state["steps"] + 1}
        return Combined(rewards, weights=self.log_weights(list(parts)), state=moved)

    def metrics(self, state: Mapping[str, Any]) -> dict[str, float]:
        """Return the factors, and how often they were moved."""
        return {"steps": state["steps"], **state["factors"]}


@component(
    group="reward_weighting",
    name="apart",
    requires=["learner:policy_gradient"],
    provides=["reward:advantages", "reward:of_batch"],
)
@dataclass(frozen=True)
class Apart(WeightedSum):
    """Normalises every part by itself before they are added up."""

    share: float = option(1.0, "how much of the advantages is made so; 0: none", ge=0, le=1)

    def combine(self, parts: Mapping[str, Tensor], *, tools: Tools) -> Tensor | Combined:
        """Return the weighted sum, with the advantages of the parts as far as they are asked."""
        rewards = super().combine(parts)
        if self.share == 0:
            return rewards
        weights = self.log_weights(list(parts))
        apart = sum(weight * tools.advantages(name) for name, weight in weights.items())
        together = tools.advantages(rewards)
        return Combined(rewards, self.share * apart + (1 - self.share) * together, weights)


@component(
    group="reward_weighting",
    name="agreeing",
    requires=["learner:policy_gradient"],
    provides=["reward:of_batch"],
)
@dataclass(frozen=True)
class Agreeing(WeightedSum):
    """Counts a part by how far the gradient of its advantages goes with that of the whole."""

    strength: float = option(1.0, "how much agreement counts; 0: not at all", ge=0)
    rows: int = option(8, "rows that are asked for their gradient, the first", ge=1)

    def combine(self, parts: Mapping[str, Tensor], *, tools: Tools) -> Tensor | Combined:
        """Return the sum of the parts, each times 1 + strength · cosine."""
        rewards = super().combine(parts)
        if self.strength == 0:
            return rewards
        some = torch.arange(min(self.rows, len(rewards)))
        whole = tools.gradient(tools.advantages(rewards), some)
        factors = {}
        for name in self.log_weights(list(parts)):
            own = tools.gradient(tools.advantages(name), some)
            size = own.norm() * whole.norm()
            factors[name] = 1 + self.strength * (own.dot(whole) / size if size > 0 else 0.0)
        bent = super().combine({**parts, **{n: f * parts[n] for n, f in factors.items()}})
        weights = {n: w * factors[n] for n, w in self.log_weights(list(parts)).items()}
        told = {f"agreement/{name}": factor for name, factor in factors.items()}
        return Combined(bent, weights=weights, metrics=told)


def _spread(part: Tensor, groups: Tensor) -> float:
    """Return the mean squared distance of rewards from the mean of their group."""
    count = torch.bincount(groups).clamp(min=1)
    mean = torch.zeros(len(count)).index_add_(0, groups, part.float()) / count
    return float((part - mean[groups]).square().mean())
