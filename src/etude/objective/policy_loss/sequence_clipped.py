"""The clipped surrogate with the ratio of whole responses, as RLOO in TRL uses it.

    s_i = exp(Σ_t (ℓ_it − ℓ°_it))      L_i = max(−A_i·s_i, −A_i·clip(s_i, 1 ± ε))

A response is one action: A_i is the mean of its tokens' advantages. L_i is spread equally over
the tokens of row i, so that the sum over a row is L_i with its exact gradient; the mean over rows
of that sum is the loss of the method. At s = 1 the gradient is that of REINFORCE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss
from etude.objective.parts import PolicyLoss
from etude.objective.policy_loss.metrics import surrogate_metrics
from etude.primitives.clip import Surrogate, clipped_surrogate
from etude.primitives.masked import row_mean
from etude.primitives.ratio import sequence_ratio


@component(
    source="TRL, rloo_trainer.py",
    requires=[
        Need(
            "component:objective/aggregation=seq_mean_token_sum",
            why="because its loss belongs to whole responses",
        )
    ],
    provides=["loss:tokenwise"],
)
@dataclass(frozen=True)
class SequenceClipped(PolicyLoss):
    """The clipped surrogate with the product of a response's token ratios."""

    words: ClassVar[str] = "clipped ratio of whole answers ({clip_low}, {clip_high})"

    clip_low: float = option(0.2, "the response's ratio is clipped below 1 - clip_low", ge=0, le=1)
    clip_high: float = option(0.2, "the response's ratio is clipped above 1 + clip_high", ge=0)

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return each row's loss, spread over its tokens."""
        rows = clipped_surrogate(
            sequence_ratio(forward.logprobs, batch.old_logprobs, batch.mask),
            row_mean(batch.advantages, batch.mask),
            low=self.clip_low,
            high=self.clip_high,
        )
        share = batch.mask / batch.mask.sum(-1, keepdim=True).clamp(min=1)
        shape = batch.mask.shape
        tokens = Surrogate(
            rows.loss.unsqueeze(-1) * share,
            rows.high.unsqueeze(-1).expand(shape),
            rows.low.unsqueeze(-1).expand(shape),
            rows.dual.unsqueeze(-1).expand(shape),
        )
        metrics = surrogate_metrics(tokens, batch.mask)
        return TokenLoss(tokens.loss, metrics, tokens.high | tokens.low)
