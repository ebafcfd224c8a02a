"""Demonstrations by their own losses (Dynamic Loss-Based Sample Reweighting, ICLR 2025).

    h_i = 2δ·loss_i / (max − min) − δ·(max + min) / (max − min)        in [−δ, δ], over the batch
    linupper   f = min(h + δ, δ)       the low ones are played down, the upper half counts alike
    quadratic  f = 1 − h² / δ²         those in the middle
    extremes   f = |h|                 those at either end
    upper      f = (h + δ) / 2         the higher the more
    w_i = exp((f_i − max f) / r) / Σ_j exp((f_j − max f) / r)

over the demonstrations of a step on all ranks, without gradient. In the first ``uniform_steps`` all
count alike. r → ∞ is uniform, r → 0 takes the top alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import component, option
from etude.objective.sample_weights.kind import Samples, SampleWeights

#: The least difference between the largest and the smallest loss.
_SPREAD = 1e-6


@component(source="OpenReview gU4ZgQNsOC")
@dataclass(frozen=True)
class ByLoss(SampleWeights):
    """Demonstrations count by where their loss lies among those of the step."""

    words: ClassVar[str] = "demonstrations by loss ({strategy}, r {temperature})"

    strategy: str = option(
        "linupper",
        "linupper (the paper's favourite) | quadratic | extremes | upper | uniform",
        choices=("linupper", "quadratic", "extremes", "upper", "uniform"),
    )
    temperature: float = option(1.0, "r; the lower, the more the weights differ", gt=0, le=1e9)
    delta: float = option(1.0, "δ, the ends that losses are mapped to", gt=0)
    uniform_steps: int = option(0, "first steps in which all count alike (theirs: 1000)", ge=0)

    def weigh(self, samples: Samples, state: Any) -> Tensor:
        """Return the weight of each demonstration, ``[N]``; 0 for one without a trained token."""
        filled = samples.tokens > 0
        weights = torch.zeros_like(samples.losses)
        if not bool(filled.any()):
            return weights
        losses = samples.losses[filled]
        if samples.step < self.uniform_steps:
            weights[filled] = 1.0 / len(losses)
        else:
            weights[filled] = self.weights(losses)
        return weights

    def weights(self, losses: Tensor) -> Tensor:
        """Return the weights of samples of these losses, ``[N]``, sum 1."""
        return torch.softmax(self.scores(self.places(losses)) / self.temperature, 0)

    def places(self, losses: Tensor) -> Tensor:
        """Return h: where each loss lies between the smallest (−δ) and the largest (δ)."""
        low, high = losses.min(), losses.max()
        spread = (high - low).clamp(min=_SPREAD)
        return 2 * self.delta * losses / spread - self.delta * (high + low) / spread

    def scores(self, places: Tensor) -> Tensor:
        """Return f, what the strategy makes of the places, ``[N]``."""
        if self.strategy == "linupper":
            return (places + self.delta).clamp(max=self.delta)
        if self.strategy == "quadratic":
            return 1 - places.square() / self.delta**2
        if self.strategy == "extremes":
            return places.abs()
        if self.strategy == "upper":
            return 0.5 * places + 0.5 * self.delta
        return torch.zeros_like(places)
