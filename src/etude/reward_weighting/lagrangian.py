"""Rewards as constraints, whose multipliers are learned (Constrained RLHF, arXiv 2310.04373).

    A = (N − Σ λ_i) · A_KL + Σ λ_i · A_i       plain: A_KL + Σ λ_i · A_i
    λ_i = sigmoid(l_i) (mu) | tanh(l_i) (xi) | l_i ≥ 0 (plain)
    l ← l − lr · clip(∇ Σ λ_i · (J_i − θ_i)),  J_i the mean of part i over the update batch

Staying close to a model is the objective and every part a constraint with a threshold: below it
its multiplier rises, above it falls; under xi it turns negative, which pushes the part back. Each
A_i, and A_KL, comes from the stage's own advantage component, by values of its own where there is a
critic, and is normalised over the tokens of the step. Without a critic this is an adaptation.
Multipliers move after every update, and act from the next step on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import ADVANTAGES_BY_VALUE, OF_BATCH, Need, component, option
from etude.feedback import UpdateFeedback
from etude.live import Tree
from etude.primitives.lagrange import VARIANTS, Descent, multiplier
from etude.primitives.masked import as_float, keep
from etude.randomness import generator
from etude.reward_weighting.interface import Combined, RewardWeighting, Tools
from etude.reward_weighting.weighted import weighted_sum

#: The shaping term that is the objective.
KL = "kl_penalty"

KL_NEEDED = Need(
    f"component:objective/shaping={KL}", why="which is the objective that rewards constrain"
)


@component(
    source="arXiv 2310.04373",
    requires=[Need("learner:policy_gradient", why="for advantages of each part"), KL_NEEDED],
    provides=[OF_BATCH, ADVANTAGES_BY_VALUE],
)
@dataclass(frozen=True)
class Lagrangian(RewardWeighting):
    """Parts that count until they reach their thresholds, by multipliers that are learned."""

    example: ClassVar[str] = (
        "objective=grpo objective/shaping='[kl_penalty]' reward_weighting=lagrangian"
    )

    thresholds: dict[str, float] = option(
        {"accuracy": 0.5, "format": 0.9},
        "θ, the mean that each part shall come to; a part without one is only logged",
        form="part",
    )
    variant: str = option(
        "xi",
        "multipliers: xi (−1 to 1, pushes back what is above) | mu (0 to 1) | plain (0 and more)",
        choices=("xi", "mu", "plain"),
    )
    lr: float = option(0.1, "learning rate of the multipliers; 0 leaves them", ge=0)
    momentum: float = option(0.1, "momentum of the multipliers", ge=0, lt=1)
    gradient_clip: float = option(0.5, "largest norm of the multipliers' gradient", gt=0)
    normalise: bool = option(True, "normalise the advantages of each part over the step's tokens")
    value_weight: float = option(0.5, "weight of the value loss of each part, with a critic", ge=0)
    kl_value_weight: float = option(0.2, "the same of the KL term", ge=0)

    def start(self, seed: int) -> Tree:
        """Return what the multipliers begin with, which all of them share."""
        begun = 0.5 if self.variant == "plain" else float(generator("lambda", seed).normal(0, 0.01))
        raw = dict.fromkeys(self.thresholds, begun)
        return {"raw": raw, "buffers": {}, "values": {}, "thresholds": dict(self.thresholds)}

    def values(self) -> dict[str, float]:
        """Return what a critic values one by one: each constrained part, and the KL term."""
        return {**dict.fromkeys(self.thresholds, self.value_weight), KL: self.kl_value_weight}

    def combine(
        self, parts: Mapping[str, Tensor], applies: Mapping[str, Tensor], state: Tree, tools: Tools
    ) -> Combined:
        """Return Σ λ·part as reward, and the mixed advantages ``[N, T]``."""
        weights = self.multipliers(state["raw"])
        own = {
            name: self.scaled(tools.advantages(name), tools.mask * applies[name].unsqueeze(-1))
            for name in weights
        }
        kept_close = self.scaled(tools.advantages(KL), tools.mask)
        mixed = self.mixed(own, kept_close, weights)
        spread = float(mixed[tools.mask > 0].std(correction=0)) if bool(tools.mask.any()) else 0.0
        shown = {f"lambda/{name}": weight for name, weight in weights.items()}
        return Combined(
            weighted_sum(weights, parts),
            advantages=mixed,
            weights=weights,
            metrics=shown | {"kl_weight": self.kl_weight(weights), "advantage_std": spread},
        )

    def multipliers(self, raw: Mapping[str, float]) -> dict[str, float]:
        """Return λ of each constraint."""
        assert self.variant in VARIANTS
        return {name: multiplier(value, self.variant) for name, value in raw.items()}

    def kl_weight(self, weights: Mapping[str, float]) -> float:
        """Return how much the objective counts."""
        return 1.0 if self.variant == "plain" else len(weights) - sum(weights.values())

    def scaled(self, advantages: Tensor, mask: Tensor) -> Tensor:
        """Return advantages ``[N, T]`` by their mean and std over the tokens of a mask."""
        values = as_float(advantages).double()
        some = values[mask > 0]
        if not self.normalise or len(some) < 2:
            return values
        return keep((values - some.mean()) / (some.std() + 1e-8), as_float(mask).double())

    def mixed(
        self, own: Mapping[str, Tensor], kept_close: Tensor, weights: Mapping[str, float]
    ) -> Tensor:
        """Return the mixed advantages of parts and of the KL term."""
        summed = torch.stack([weights[name] * values for name, values in own.items()]).sum(0)
        return self.kl_weight(weights) * kept_close + summed

    def after_update(self, state: Tree, update: UpdateFeedback) -> Tree:
        """Return the state with multipliers that an update batch has moved."""
        means = self._means(state["raw"], update.batch)
        moved = self.moved(state, means)
        return {**moved, "values": {**state["values"], **means}}

    def moved(self, state: Tree, means: Mapping[str, float]) -> dict[str, Tree]:
        """Return the state after a step of the multipliers by the means of parts."""
        violations = {name: mean - state["thresholds"][name] for name, mean in means.items()}
        descent = Descent(self.variant, self.lr, self.momentum, self.gradient_clip)
        raw, buffers = descent.moved(state["raw"], state["buffers"], violations)
        return {**state, "raw": raw, "buffers": buffers}

    def _means(self, names: Sequence[str] | Mapping[str, float], batch: object) -> dict[str, float]:
        """Return the mean of each part over the rows of an update that it applies to."""
        found = {}
        for name in names:
            values = batch.parts[name].double()[batch.applies[name]]  # type: ignore[attr-defined]
            if len(values):
                found[name] = float(values.mean())
        return found

    def metrics(self, state: Tree) -> dict[str, float]:
        """Return what is learned of each multiplier, and how far its part is from its threshold."""
        far = {
            f"violation/{name}": mean - state["thresholds"][name]
            for name, mean in state["values"].items()
        }
        return far | {f"raw/{name}": value for name, value in state["raw"].items()}
