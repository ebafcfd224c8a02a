"""The clipped surrogate of PPO (arXiv 1707.06347), as GRPO and DAPO use it.

    r = exp(ℓ − ℓ°)      L = max(−A·r, −A·clip(r, 1 − clip_low, 1 + clip_high))

The log-ratio is clamped to ±20 first. ``dual_clip`` c (arXiv 1912.09729) caps the loss of a
negative advantage at −A·c: no gradient beyond r = c. ``delta`` (TRL) caps the ratio of the
unclipped branch instead. At r = 1 the gradient is that of REINFORCE, −A for every token.

``ratio_norm`` c is experimental: an analogue for tokens of GRPO-Guard (arXiv 2510.22319), which
was made and measured for flow models of images; none of its results are claimed here.

    r = exp((ℓ − ℓ° + K)·c),  K = mean of ℓ° − ℓ over the update batch, a constant

Under the old policy the log-ratio of a token has mean −KL < 0; K puts its mean back to 0, so that
the upper clip acts as often as the lower. The gradient is c times as large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import PolicyLoss
from etude.objective.policy_loss.metrics import surrogate_metrics
from etude.primitives.clip import clipped_surrogate
from etude.primitives.masked import masked_mean
from etude.primitives.ratio import log_ratio, token_ratio
from etude.primitives.ratio_norm import normalised_ratio

#: The mark of an update batch that holds K, where ``ratio_norm`` is on.
BIAS = "ratio_bias"


@component(source="arXiv 1707.06347", provides=["loss:tokenwise"])
@dataclass(frozen=True)
class Clipped(PolicyLoss):
    """The importance-weighted advantage, clipped to a band around ratio 1."""

    words: ClassVar[str] = (
        "clipped ({clip_low}, {clip_high})[, dual clip {dual_clip}][, delta {delta}]"
        "[, centred log-ratio × {ratio_norm}]"
    )

    clip_low: float = option(0.2, "the ratio is clipped below 1 - clip_low", ge=0, le=1)
    clip_high: float = option(0.2, "the ratio is clipped above 1 + clip_high", ge=0)
    dual_clip: float | None = option(
        None, "largest loss of a negative advantage, in -A (verl 3.0); null: no limit", gt=1
    )
    delta: float | None = option(
        None, "cap of the ratio in the unclipped branch (TRL's delta); null: no cap", gt=0
    )

    ratio_norm: float | None = option(
        None,
        "experimental (an analogue of GRPO-Guard): the log-ratio is centred over the update batch "
        "and multiplied by this, 1.0 only centres; null: the log-ratio as it is",
        gt=0,
    )

    @property
    def statistics(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return that log-probs are read before the update where ratios are centred."""
        return () if self.ratio_norm is None else ("logprobs",)

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Note the mean of ℓ° − ℓ over the tokens that the old policy sampled."""
        if self.ratio_norm is None:
            return batch
        sampled = batch.mask.double()
        if batch.off_policy is not None:
            sampled = sampled * (batch.off_policy == 0)
        moved = log_ratio(batch.old_logprobs, statistics["logprobs"]).double()
        return batch.mark(BIAS, masked_mean(moved, sampled))

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token."""
        ratio = self._ratio(batch, forward.logprobs)
        surrogate = clipped_surrogate(
            ratio,
            batch.advantages,
            low=self.clip_low,
            high=self.clip_high,
            dual=self.dual_clip,
            delta=self.delta,
        )
        clipped = surrogate.high | surrogate.low | surrogate.dual
        metrics = surrogate_metrics(surrogate, batch.mask)
        if self.ratio_norm is not None:
            metrics["objective/normalised_ratio"] = token_metric(ratio, batch.mask)
        return TokenLoss(surrogate.loss, metrics, clipped)

    def _ratio(self, batch: LossBatch, logprobs: Tensor) -> Tensor:
        if self.ratio_norm is None:
            return token_ratio(logprobs, batch.old_logprobs)
        moved = log_ratio(logprobs, batch.old_logprobs)
        return normalised_ratio(moved, batch.marks[BIAS].to(moved.dtype), self.ratio_norm)
