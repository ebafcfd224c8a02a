"""An entropy bonus over all tokens alike, whatever the aggregation: −coef · Σ m·H / Σ m.

Codes that divide the policy loss by a constant length (LUFFY, ReLIFT) still average the entropy
over tokens. H is that of the whole next-token distribution at the sampling temperature, in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import component, option
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import ScalarLoss, aggregate, token_metric
from etude.objective.parts import Auxiliary


@component(source="arXiv 2504.14945")
@dataclass(frozen=True)
class TokenMeanEntropy(Auxiliary):
    """A bonus for the mean entropy of the update batch's tokens."""

    words: ClassVar[str] = "token-mean entropy bonus {coef}"

    coef: float = option(0.001, "weight of the bonus", ge=0)

    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> ScalarLoss:
        """Return −coef × the mean entropy of the update batch, this micro-batch's share of it."""
        entropy = forward.entropy()
        bonus = aggregate(entropy, TokenMean().weights(batch.mask, batch.totals))
        metrics = {"objective/entropy": token_metric(entropy, batch.mask)}
        return ScalarLoss(-self.coef * bonus, metrics)
