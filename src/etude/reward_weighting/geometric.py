"""One reward from named parts: their weighted geometric mean.

    R = exp(Σ_k w_k · log part_k),   Σ_k w_k = 1

A part of 0 makes the reward 0 nearly; between parts above 0 it is milder than the harmonic mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from etude.component import component
from etude.reward_weighting.interface import Combined
from etude.reward_weighting.means import Mean


@component()
@dataclass(frozen=True)
class Geometric(Mean):
    """The weighted geometric mean of the parts."""

    def combine(self, parts: Mapping[str, Tensor]) -> Combined:
        """Return the reward of each row, ``[N]``; raises ConfigError for a part nobody gives."""
        weights, values = self.shares(parts)
        rewards = (weights.unsqueeze(-1) * values.log()).sum(0).exp()
        return Combined(rewards.to(next(iter(parts.values()))))
