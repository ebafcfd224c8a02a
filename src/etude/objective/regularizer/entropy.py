"""An entropy bonus: L − coef · aggregate(H), aggregated like the policy loss.

H is the entropy of the whole next-token distribution at the sampling temperature, in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import Regularizer


@component(source="arXiv 1602.01783")
@dataclass(frozen=True)
class Entropy(Regularizer):
    """A bonus for keeping the next token uncertain."""

    words: ClassVar[str] = "entropy bonus {coef}"

    coef: float = option(0.001, "weight of the bonus (0.001 in older verl, 0 now)", ge=0)

    @property
    def active(self) -> bool:
        """Return whether the coefficient is not 0."""
        return self.coef > 0

    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> TokenLoss:
        """Return −coef × entropy of every token."""
        entropy = forward.entropy()
        metrics = {"objective/entropy": token_metric(entropy, batch.mask)}
        return TokenLoss(-self.coef * entropy, metrics)
