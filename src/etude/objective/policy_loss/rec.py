"""REC and RED losses (arXiv 2509.24203): REINFORCE with a clip mask, weights and a regulariser.

    L = −w·ℓ·M + coef·regulariser        r = sg[exp(ℓ − ℓ°)], never differentiated

M is 1 where the token is in range: ``none`` everywhere; ``two_side`` 1 − low ≤ r ≤ 1 + high;
``one_side`` (what the minimum of PPO does) r ≤ 1 + high for A ≥ 0, r ≥ 1 − low for A ≤ 0; ``ring``
two_side, or r ≤ 1 − ring_low for A ≥ 0, or r ≥ 1 + ring_high for A ≤ 0; ``gspo_one_side`` one_side
with the length-normalised ratio of the sequence. w is ``none`` A, ``importance_sampling`` A·r,
``gspo_importance_sampling`` A·(ratio of the sequence), ``advantage`` (RED-Weight) A·exp(A/temp),
its exponent clamped to ±20. The regulariser acts on every token, also out of range: ``k2`` is
(ℓ − ℓ°)² without ½, ``forward_kl`` is −ℓ. Tokens out of range stay in the denominator.

one_side with importance_sampling has the gradient of PPO's clip; none with none is REINFORCE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Need, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import PolicyLoss
from etude.primitives.masked import row_mean
from etude.primitives.ratio import LOG_RATIO_LIMIT, log_ratio, token_ratio


@component(
    source="arXiv 2509.24203",
    requires=[
        Need(
            "component:objective/aggregation=seq_mean_token_mean",
            when="clip_mode == 'gspo_one_side'",
            why="because its clip judges whole sequences",
        ),
        Need(
            "loss:sequence-clipped",
            when="weight == 'gspo_importance_sampling'",
            why="for its weight is that clip's ratio (objective.policy_loss.clip_mode="
            "gspo_one_side)",
        ),
    ],
    provides=["loss:tokenwise", Need("loss:sequence-clipped", when="clip_mode == 'gspo_one_side'")],
)
@dataclass(frozen=True)
class REC(PolicyLoss):
    """REINFORCE whose tokens are masked by range, weighted and regularised."""

    words: ClassVar[str] = "-advantage × log-prob, clip {clip_mode}, weight {weight}"

    clip_mode: str = option(
        "none",
        "which tokens are in range: none | two_side | one_side | ring | gspo_one_side",
        choices=("none", "two_side", "one_side", "ring", "gspo_one_side"),
    )
    weight: str = option(
        "none",
        "what the advantage is multiplied by: none | importance_sampling | "
        "gspo_importance_sampling | advantage",
        choices=("none", "importance_sampling", "gspo_importance_sampling", "advantage"),
    )
    regularizer: str = option(
        "none",
        "term on every token: none | k2 (squared log-ratio) | forward_kl (minus log-prob)",
        choices=("none", "k2", "forward_kl"),
    )
    regularizer_coef: float = option(0.0, "weight of the regulariser", ge=0)
    clip_low: float = option(0.2, "lower edge of the range is 1 - clip_low", gt=0, le=1)
    clip_high: float = option(0.2, "upper edge of the range is 1 + clip_high", gt=0)
    ring_low: float = option(0.6, "ring: ratios below 1 - ring_low are in range for A >= 0", gt=0)
    ring_high: float = option(2.0, "ring: ratios above 1 + ring_high are in range for A <= 0", gt=0)
    temp: float = option(1.0, "temperature of the weight `advantage`", gt=0)

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        ratio = token_ratio(forward.logprobs, batch.old_logprobs).detach()
        mean = row_mean(log_ratio(forward.logprobs, batch.old_logprobs).detach(), batch.mask)
        sequence = mean.exp().unsqueeze(-1).expand_as(ratio)
        inside = self._inside(sequence if self.clip_mode == "gspo_one_side" else ratio, batch)
        weighted = batch.advantages * self._weight(batch.advantages, ratio, sequence)
        loss = -weighted * forward.logprobs * inside.to(ratio.dtype)
        metrics = {
            "objective/clip_fraction": token_metric(~inside, batch.mask),
            "objective/ratio": token_metric(ratio, batch.mask),
        }
        if self.regularizer != "none":
            term = self._regularizer(forward.logprobs, batch.old_logprobs)
            metrics["objective/rec_regularizer"] = token_metric(term, batch.mask)
            loss = loss + self.regularizer_coef * term
        return TokenLoss(loss, metrics, ~inside)

    def _inside(self, ratio: Tensor, batch: LossBatch) -> Tensor:
        """Return which tokens are in range, ``[N, T]``."""
        raised, lowered = batch.advantages >= 0, batch.advantages <= 0
        not_below, not_above = ratio >= 1 - self.clip_low, ratio <= 1 + self.clip_high
        if self.clip_mode == "none":
            return torch.ones_like(raised)
        if self.clip_mode in ("one_side", "gspo_one_side"):
            return (raised & not_above) | (lowered & not_below)
        inside = not_below & not_above
        if self.clip_mode == "ring":
            inside = inside | (raised & (ratio <= 1 - self.ring_low))
            inside = inside | (lowered & (ratio >= 1 + self.ring_high))
        return inside

    def _weight(self, advantages: Tensor, ratio: Tensor, sequence: Tensor) -> Tensor:
        """Return what the advantages are multiplied by, ``[N, T]``."""
        if self.weight == "importance_sampling":
            return ratio
        if self.weight == "gspo_importance_sampling":
            return sequence
        if self.weight == "advantage":
            return (advantages / self.temp).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
        return torch.ones_like(ratio)

    def _regularizer(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """Return the regulariser of every token, without its coefficient."""
        if self.regularizer == "k2":
            return log_ratio(logprobs, old_logprobs).square()
        return -logprobs
