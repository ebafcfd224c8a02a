"""KL-Cov (arXiv 2505.22617): tokens that press the entropy down most are held near where they were.

    cov = (A − mean A)·(ℓ − mean ℓ)
    L ← L + coef·|ℓ − ℓ°|      on the max(1, ⌊ratio · tokens⌋) tokens of largest cov

Means and count are those of the whole update batch. There is no reference model: ℓ° is the policy
at sampling, so the penalty has no gradient before the first update of a step. The paper writes a
KL divergence; its code has this absolute log-ratio. The published shares are in percent (0.2 is a
ratio of 2e-3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import Need, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import Modifier
from etude.primitives.covariance import token_covariance
from etude.primitives.masked import masked_mean
from etude.primitives.subsets import largest

MARK = "kl_cov"


@component(
    source="arXiv 2505.22617",
    requires=[Need("loss:tokenwise", why="because it adds to the loss of single tokens")],
)
@dataclass(frozen=True)
class KLCov(Modifier):
    """A penalty on moving the tokens whose advantage and log-prob are highest together."""

    words: ClassVar[str] = "{coef} × |log-ratio| on the {ratio} of tokens of largest covariance"
    statistics: ClassVar[tuple[str, ...]] = ("logprobs",)

    ratio: float = option(
        2e-4, "share of all tokens that is held, at least one (7B: 2e-3)", ge=0, le=1
    )
    coef: float = option(1.0, "weight of the penalty (verl 0.1)", ge=0)
    scope: str = option(
        "update_batch",
        "what means and count belong to: update_batch | micro_batch (verl)",
        choices=("update_batch", "micro_batch"),
    )

    def chosen(self, covariance: Tensor, batch: LossBatch) -> Tensor:
        """Return the tokens of largest covariance, boolean ``[N, T]``."""
        count = max(1, int(self.ratio * int((batch.mask > 0).sum())))
        return largest(covariance, batch.mask, count, batch.row_seeds)

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Choose the tokens of the update batch."""
        if self.scope == "micro_batch":
            return batch
        covariance = token_covariance(batch.advantages, statistics["logprobs"], batch.mask)
        batch = batch.mark("kl_cov_covariance", masked_mean(covariance, batch.mask.double()))
        return batch.mark(MARK, self.chosen(covariance, batch))

    def modify(
        self, tokens: TokenLoss, batch: LossBatch, forward: Forward, state: Any
    ) -> TokenLoss:
        """Return the losses with the penalty on the chosen tokens."""
        if self.scope == "micro_batch":
            covariance = token_covariance(batch.advantages, forward.logprobs, batch.mask)
            chosen = self.chosen(covariance, batch)
        else:
            chosen = batch.marks[MARK]
        moved = (forward.logprobs - batch.old_logprobs).abs()
        metrics = {
            "objective/kl_cov_fraction": token_metric(chosen, batch.mask),
            "objective/kl_cov_penalty": token_metric(self.coef * moved, chosen),
            "objective/absolute_log_ratio": token_metric(moved, batch.mask),
        }
        loss = tokens.loss + self.coef * moved * chosen
        return TokenLoss(loss, {**tokens.metrics, **metrics}, tokens.clipped)
