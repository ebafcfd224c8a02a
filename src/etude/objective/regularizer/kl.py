"""KL to a frozen model as a term of the loss (GRPO, arXiv 2402.03300).

    L + coef · aggregate(k(ℓ, ℓʳ)),  x = ℓ − ℓʳ:  k1 = x,  k2 = x²/2,  k3 = e^{−x} + x − 1,  |x|

``limit`` keeps x within ± it before anything else, so that a token beyond has no gradient.
Aggregated like the policy loss. k3 clamps −x to ±20 and its value to ±10. ``importance_weight``
multiplies by the ratio exp(ℓ − ℓ°), gradient included, which corrects for samples of an older
policy (TRL's bias correction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Need, component, option
from etude.errors import DataError
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import Regularizer
from etude.primitives.kl import KL_ESTIMATORS, kl_estimate
from etude.primitives.ratio import token_ratio


@component(
    source="arXiv 2402.03300",
    requires=[Need("model:{role}", when="coef > 0", why="whose distribution it stays close to")],
    provides=[Need("divergence:{role}", when="coef > 0")],
)
@dataclass(frozen=True)
class KL(Regularizer):
    """A penalty on the divergence from the reference model."""

    words: ClassVar[str] = "kl {coef} × {estimator}[ of ±{limit}]"

    coef: float = option(0.001, "weight of the penalty (GRPO's paper 0.04, verl 0.001)", ge=0)
    estimator: str = option(
        "k3",
        "how the divergence is estimated: k1 | k2 | k3 | abs; with + it has the gradient of k2",
        choices=KL_ESTIMATORS,
    )
    limit: float | None = option(
        None, "the log-ratio of a token is kept within ± it; null: as it is", gt=0
    )
    importance_weight: bool = option(
        False, "multiply by the ratio to the sampling policy (TRL's use_bias_correction_kl)"
    )

    role: str = option("reference", "the role of models that it keeps close to", form="filled")

    @property
    def active(self) -> bool:
        """Return whether the coefficient is not 0."""
        return self.coef > 0

    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> TokenLoss:
        """Return coef × the estimate at every token; raises DataError without such a model."""
        if self.role not in batch.role_logprobs:
            raise DataError(
                f"objective.regularizer.kl.coef={self.coef} needs log-probs of the model "
                f"{self.role}, and these rows have none; choose models.{self.role} or set the "
                "coefficient to 0"
            )
        kl = self._estimate(forward.logprobs, batch.role_logprobs[self.role])
        metrics = {f"objective/kl_{self.role}": token_metric(kl, batch.mask)}
        if self.importance_weight:
            kl = kl * token_ratio(forward.logprobs, batch.old_logprobs)
        return TokenLoss(self.coef * kl, metrics)

    def _estimate(self, logprobs: Tensor, reference: Tensor) -> Tensor:
        if self.limit is None:
            return kl_estimate(logprobs, reference, self.estimator)
        within = (logprobs - reference).clamp(-self.limit, self.limit)
        return kl_estimate(within, torch.zeros_like(within), self.estimator)
