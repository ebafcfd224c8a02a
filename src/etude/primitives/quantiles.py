"""Quantiles of a stream of scores, followed from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: The levels that are followed: 0.05, 0.10, …, 0.95.
LEVELS: tuple[float, ...] = tuple(round(0.05 * k, 2) for k in range(1, 20))


def empirical_quantile(scores: Tensor, level: float) -> float:
    """Return the quantile of ``scores [K]`` at a level in [0, 1], linear between two scores."""
    return float(torch.quantile(scores.double(), level))


@dataclass
class QuantileTracker:
    """A running estimate of the quantiles at :data:`LEVELS`; None before the first scores."""

    values: list[float] | None = None

    def at(self, level: float) -> float | None:
        """Return the estimate at the level nearest to ``level``, None when there is none yet."""
        if self.values is None:
            return None
        nearest = min(range(len(LEVELS)), key=lambda i: abs(LEVELS[i] - level))
        return self.values[nearest]

    def integral(self, of: Callable[[Tensor], Tensor]) -> float:
        """Return ``∫ of(q_a) da`` over the levels by trapezoids; 0 when there are no quantiles."""
        if self.values is None:
            return 0.0
        heights = of(torch.tensor(self.values, dtype=torch.float64))
        return float(torch.trapezoid(heights, torch.tensor(LEVELS, dtype=torch.float64)))

    def update(self, scores: Tensor, rate: float) -> None:
        """Take in the scores of a step, ``[K]``.

        The first scores give their empirical quantiles; later ones move each quantile by
        ``rate · (level − share of scores strictly below it)``.
        """
        if self.values is None:
            self.values = [empirical_quantile(scores, level) for level in LEVELS]
            return
        self.values = [
            value + rate * (level - float((scores < value).double().mean()))
            for level, value in zip(LEVELS, self.values, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return the quantiles."""
        return {"values": None if self.values is None else list(self.values)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the quantiles."""
        values = state["values"]
        self.values = None if values is None else [float(value) for value in values]
