"""KL to a reference model as a term of the loss (GRPO, arXiv 2402.03300).

    L + coef · aggregate(k(ℓ, ℓʳ)),  x = ℓ − ℓʳ:  k1 = x,  k2 = x²/2,  k3 = e^{−x} + x − 1,  |x|

Aggregated like the policy loss. k3 clamps −x to ±20 and its value to ±10. ``importance_weight``
multiplies by the ratio exp(ℓ − ℓ°), gradient included, which corrects for samples of an older
policy (TRL's bias correction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.errors import DataError
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import Regularizer
from etude.primitives.kl import KL_ESTIMATORS, kl_estimate
from etude.primitives.ratio import token_ratio


@component(
    source="arXiv 2402.03300",
    requires=[Need("model:reference", when="coef > 0", why="whose distribution it stays close to")],
)
@dataclass(frozen=True)
class KL(Regularizer):
    """A penalty on the divergence from the reference model."""

    words: ClassVar[str] = "kl {coef} × {estimator}"

    coef: float = option(0.001, "weight of the penalty (GRPO's paper 0.04, verl 0.001)", ge=0)
    estimator: str = option(
        "k3",
        "how the divergence is estimated: k1 | k2 | k3 | abs; with + it has the gradient of k2",
        choices=KL_ESTIMATORS,
    )
    importance_weight: bool = option(
        False, "multiply by the ratio to the sampling policy (TRL's use_bias_correction_kl)"
    )

    @property
    def active(self) -> bool:
        """Return whether the coefficient is not 0."""
        return self.coef > 0

    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> TokenLoss:
        """Return coef × the estimate at every token; raises DataError without a reference."""
        if batch.reference_logprobs is None:
            raise DataError(
                f"objective.regularizer.kl.coef={self.coef} needs the reference model's log-probs, "
                "and these rows have none; choose models.reference or set the coefficient to 0"
            )
        kl = kl_estimate(forward.logprobs, batch.reference_logprobs, self.estimator)
        metrics = {"objective/kl_reference": token_metric(kl, batch.mask)}
        if self.importance_weight:
            kl = kl * token_ratio(forward.logprobs, batch.old_logprobs)
        return TokenLoss(self.coef * kl, metrics)
