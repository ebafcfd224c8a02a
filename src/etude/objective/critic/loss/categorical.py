"""What critics that classify share: a support, a softmax over its places, and the cross-entropy.

    V = Σ_i softmax(outputs)_i · z_i      L = −Σ_i p_i · log softmax(outputs)_i

with p the categorical form of the target. Such a loss has no clipped form; there is no clip to set.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import Rule, option
from etude.objective.batch import LossBatch
from etude.objective.critic.kind import CriticLoss
from etude.objective.loss import TokenLoss, token_metric
from etude.primitives.categorical import cross_entropy, expectation
from etude.primitives.distribution import entropy_of


@dataclass(frozen=True)
class Categorical(CriticLoss):
    """A critic whose outputs are the logits of a distribution over a support."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "v_max > v_min",
            "is {v_max}, not above v_min={v_min}; type a larger {path}.v_max.",
        ),
    )

    v_min: float = option(-0.25, "lower end of the support; below the least return")
    v_max: float = option(1.25, "upper end of the support; above the largest return")
    bins: int = option(51, "places on the support, and outputs of the head", ge=2, le=100_000)

    @property
    def padding(self) -> float:
        """Return how far inside the support a target must lie to be met."""
        return 0.0

    def values(self, outputs: Tensor) -> Tensor:
        """Return the mean of every token's distribution, ``[N, T]``."""
        return expectation(outputs, self.places.to(outputs))

    @abstractmethod
    def distribution(self, targets: Tensor) -> Tensor:
        """Return the targets as distributions over the places, ``[N, T, m]``."""

    def losses(self, outputs: Tensor, targets: Tensor, batch: LossBatch) -> TokenLoss:
        """Return the cross-entropy of every token."""
        found = outputs.detach().softmax(-1)
        metrics = {
            "critic/entropy": entropy_of(outputs.detach()),
            "critic/outer_mass": found[..., 0] + found[..., -1],
        }
        if batch.returns is not None:
            metrics["critic/targets_below"] = batch.returns < self.v_min
            metrics["critic/targets_above"] = batch.returns > self.v_max
        return TokenLoss(
            cross_entropy(outputs, self.distribution(targets)),
            {name: token_metric(x, batch.mask) for name, x in metrics.items()},
        )

    def uncovered(self, low: float, high: float) -> str:
        """Return why rewards from ``low`` to ``high`` do not fit; empty when they do."""
        fits = self.v_min + self.padding <= low and high <= self.v_max - self.padding
        if fits:
            return ""
        edge = f" less {self.padding:.3g} at each end" if self.padding else ""
        return (
            f"rewards reach from {low:.4g} to {high:.4g} and the critic's support is "
            f"[{self.v_min:g}, {self.v_max:g}]{edge}: values beyond it cannot be expressed. Widen "
            "it with objective.critic.loss.v_min and objective.critic.loss.v_max"
        )
