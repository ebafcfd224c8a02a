"""Two-hot: a return as the two neighbouring places whose mean it is (arXiv 1911.08265).

    z_i ≤ R ≤ z_{i+1}:   p_i = (z_{i+1} − R) / (z_{i+1} − z_i)      p_{i+1} = 1 − p_i

over m places from one end of the support to the other. Returns beyond an end count as the end.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from etude.component import component
from etude.objective.critic.loss.categorical import Categorical
from etude.primitives.categorical import atoms, two_hot


@component(source="arXiv 1911.08265")
@dataclass(frozen=True)
class TwoHot(Categorical):
    """Cross-entropy against the two places around the return."""

    @property
    def places(self) -> Tensor:
        """Return the places, both ends of the support included, ``[m]``."""
        return atoms(self.v_min, self.v_max, self.bins)

    def distribution(self, targets: Tensor) -> Tensor:
        """Return the two-hot form of returns ``[…]``, ``[…, m]``."""
        return two_hot(targets, self.places.to(targets))
