"""One reward from named parts: their weighted sum.

    R = offset + Σ_k w_k · part_k

A part without a weight is logged and not used; a weight without a part is an error. Without any
weights every part counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from etude.component import component, option
from etude.reward_weighting.weighted import Weighted, weighted_sum


@component()
@dataclass(frozen=True)
class WeightedSum(Weighted):
    """The weighted sum of the verifier's parts."""

    offset: float = option(
        0.0, "added to every reward; -0.1 makes a weight of 0.1 the price of a missing part"
    )

    def combine(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Return the reward of each row, ``[N]``, from its parts, each ``[N]``.

        Raises ConfigError when a weighted part is not among the parts.
        """
        return weighted_sum(self.weighed(parts), parts) + self.offset

    def log_weights(self, parts: Sequence[str]) -> dict[str, float]:
        """Return the weight of each part that has one."""
        return self.weights_of(parts)
