"""Conditional credit: the other parts count only where the first one is earned.

    R = w_p · part_p + 1[part_p ≥ threshold] · Σ_{k ≠ p} w_k · part_k

So a model cannot collect rewards for form on wrong answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from etude.component import component, option
from etude.reward_weighting.interface import Combined
from etude.reward_weighting.weighted import Weighted, weighted_sum


@component()
@dataclass(frozen=True)
class Gated(Weighted):
    """The weighted sum of the parts, of which all but one count on answers that earn that one."""

    primary: str = option("accuracy", "the part that has to be earned first", form="part")
    threshold: float = option(1.0, "what the primary part has to be for the others to count")

    def combine(self, parts: Mapping[str, Tensor]) -> Combined:
        """Return the reward of each row, ``[N]``; raises ConfigError for a part nobody gives."""
        weights = self.weighed(parts)
        earned = (parts[self.primary] >= self.threshold).to(parts[self.primary])
        others = {name: weight for name, weight in weights.items() if name != self.primary}
        own = {name: weight for name, weight in weights.items() if name == self.primary}
        return Combined(weighted_sum(own, parts) + earned * weighted_sum(others, parts))
