"""HL-Gauss: a return as a histogram of a normal distribution around it (arXiv 2403.03950).

    F_k = erf((e_k − R) / (√2·σ))      p_i = (F_i − F_{i−1}) / (F_m − F_0)      σ = ratio · width

over m bins of equal width between the edges e_0 … e_m of the support; the value is the mean of the
bins' centres. What lies at an end of the support is pulled inwards, for half of its normal is cut
off: keep the support 3σ wider than the rewards on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from etude.component import component, option
from etude.objective.critic.loss.categorical import Categorical
from etude.primitives.categorical import bin_centres, bin_edges, gaussian_histogram


@component(source="arXiv 2403.03950")
@dataclass(frozen=True)
class HLGauss(Categorical):
    """Cross-entropy against a histogram of a normal distribution around the return."""

    sigma_ratio: float = option(
        0.75, "spread of the normal distribution in widths of a bin (0.25 to 2)", gt=0
    )
    clip_targets: bool = option(True, "keep returns within the support first")

    @property
    def sigma(self) -> float:
        """Return the standard deviation of the normal distribution."""
        return self.sigma_ratio * (self.v_max - self.v_min) / self.bins

    @property
    def padding(self) -> float:
        """Return 3σ: nearer to an end the mean of the histogram is off."""
        return 3 * self.sigma

    @property
    def places(self) -> Tensor:
        """Return the centres of the bins, ``[m]``."""
        return bin_centres(self.v_min, self.v_max, self.bins)

    def distribution(self, targets: Tensor) -> Tensor:
        """Return the histograms of returns ``[…]``, ``[…, m]``."""
        if self.clip_targets:
            targets = targets.clamp(self.v_min, self.v_max)
        edges = bin_edges(self.v_min, self.v_max, self.bins).to(targets)
        return gaussian_histogram(targets, edges, self.sigma)
