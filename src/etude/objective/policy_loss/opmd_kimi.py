"""OPMD as in Kimi k1.5 (arXiv 2501.12599): REINFORCE with a squared log-ratio of whole answers.

    L = [ Σ_t −A·ℓ + (τ/2)·(Σ_t (ℓ − ℓ°))² ] / max(1, τ)        for each row

The square belongs to a row and is spread equally over its tokens, so that the sum over a row is
exact. Under ``token_mean`` the gradient of row i at each token is
(−A_i + τ·Σ_t(ℓ − ℓ°)_i) / (tokens · max(1, τ)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, row_metric
from etude.objective.parts import PolicyLoss


@component(source="arXiv 2501.12599", provides=["loss:tokenwise"])
@dataclass(frozen=True)
class KimiOPMD(PolicyLoss):
    """Minus advantage times log-prob, with a squared penalty on each answer's log-ratio."""

    words: ClassVar[str] = (
        "(-advantage × log-prob + {tau}/2 × squared log-ratio of the answer) ÷ max(1, {tau})"
    )

    tau: float = option(1.0, "strength of the pull to the sampling policy", ge=0)

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        moved = ((forward.logprobs - batch.old_logprobs) * batch.mask).sum(-1)
        lengths = batch.mask.sum(-1)
        share = batch.mask / lengths.clamp(min=1).unsqueeze(-1)
        penalty = self.tau / 2 * moved.square().unsqueeze(-1) * share
        loss = (penalty - batch.advantages * forward.logprobs) / max(1.0, self.tau)
        metrics = {
            "objective/answer_log_ratio": row_metric(moved, lengths > 0),
            "objective/answer_log_ratio_squared": row_metric(moved.square(), lengths > 0),
        }
        return TokenLoss(loss, metrics)
