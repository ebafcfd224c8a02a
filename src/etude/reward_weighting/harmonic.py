"""One reward from named parts: their weighted harmonic mean (tried in arXiv 2406.03363).

    R = 1 / Σ_k (w_k / part_k),   Σ_k w_k = 1

One low part is enough for a low reward, so that no part can be traded for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from etude.component import component
from etude.reward_weighting.interface import Combined
from etude.reward_weighting.means import Mean


@component(source="arXiv 2406.03363")
@dataclass(frozen=True)
class Harmonic(Mean):
    """The weighted harmonic mean of the parts: the lowest of them decides."""

    def combine(self, parts: Mapping[str, Tensor]) -> Combined:
        """Return the reward of each row, ``[N]``; raises ConfigError for a part nobody gives."""
        weights, values = self.shares(parts)
        rewards = 1 / (weights.unsqueeze(-1) / values).sum(0)
        return Combined(rewards.to(next(iter(parts.values()))))
