"""Lagrangian multipliers of constraints: squashed or not, moved by gradient descent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: How multipliers follow from what is learned: sigmoid (0 to 1), tanh (−1 to 1), or as it is, ≥ 0.
VARIANTS = ("mu", "xi", "plain")


def multiplier(raw: float, variant: str) -> float:
    """Return λ for what is learned, l."""
    if variant == "mu":
        return 0.5 * (1.0 + math.tanh(0.5 * raw))  # the sigmoid, which cannot overflow
    return math.tanh(raw) if variant == "xi" else raw


def _slope(raw: float, variant: str) -> float:
    value = multiplier(raw, variant)
    return {"mu": value * (1 - value), "xi": 1 - value * value, "plain": 1.0}[variant]


@dataclass(frozen=True)
class Descent:
    """Gradient descent on Σ λ_i·violation_i, with momentum and a bound on the gradient's norm.

    Below its threshold (violation < 0) a multiplier rises, above it falls; plain ones stay ≥ 0.
    """

    variant: str
    rate: float
    momentum: float
    largest: float

    def moved(
        self,
        raw: Mapping[str, float],
        buffers: Mapping[str, float],
        violations: Mapping[str, float],
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Return what is learned and its momentum after a step; buffers are empty at first."""
        slopes = {name: _slope(raw[name], self.variant) * v for name, v in violations.items()}
        norm = math.sqrt(sum(slope * slope for slope in slopes.values()))
        scale = min(1.0, self.largest / (norm + 1e-6))
        moved, kept = dict(raw), dict(buffers)
        for name, slope in slopes.items():
            kept[name] = self.momentum * buffers.get(name, 0.0) + scale * slope
            found = raw[name] - self.rate * kept[name]
            moved[name] = max(found, 0.0) if self.variant == "plain" else found
        return moved, kept
