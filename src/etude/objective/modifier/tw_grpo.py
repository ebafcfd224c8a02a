"""TW-GRPO (arXiv 2505.24718): positions count more where the answers to a prompt disagree.

    lp̄_tv = mean_i lp_itv        kl_t = mean_i Σ_v (e^{d} − d − 1),  d = lp̄_tv − lp_itv in ±11
    κ_t = (kl_t − min kl)/(max kl − min kl + 1e-8)        L_it ← (1 + (alpha − 1)·κ_t)·L_it

lp are the present policy's log-probs over the whole vocabulary; an answer that has ended counts as
uniform, so that long tails weigh more. Minimum and maximum are over the positions of the longest
response allowed: past the longest answer kl is 0. A position weighs the same in every answer of
the group, and the denominators do not know the weights. Answers without a trained token are in no
group. Regularisers are not weighted (the published code weighs its KL term too, which is off).

The paper's formula takes the weights as constants; its code lets a gradient through them
(``detach_weights: false``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Need, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, add_metrics, token_metric
from etude.objective.parts import SEVERAL, Modifier
from etude.primitives.disagreement import disagreement
from etude.primitives.masked import keep

#: Added to the range that disagreements are scaled by, as in the published code.
NO_RANGE = 1e-8


@component(
    source="arXiv 2505.24718",
    requires=[
        Need("loss:tokenwise", why="because it weighs the loss of single tokens"),
        SEVERAL,
    ],
)
@dataclass(frozen=True)
class TokenWeights(Modifier):
    """Token losses weighted by how much the group's next-token distributions differ there."""

    words: ClassVar[str] = "× weights from 1 to {alpha} by the group's disagreement"
    whole_groups: ClassVar[bool] = True

    alpha: float = option(1.7, "the largest weight, at the position of most disagreement", ge=1)
    detach_weights: bool = option(
        True, "weights are constants; false: a gradient flows through them (published code)"
    )

    def weights(self, batch: LossBatch, forward: Forward) -> tuple[Tensor, Tensor]:
        """Return the weight and the disagreement of every token, ``[N, T]``, 0 off the mask."""
        members = (batch.mask.sum(-1) > 0).nonzero().squeeze(-1)
        groups = batch.groups[members]

        def of(logits: Tensor, columns: slice) -> Tensor:
            found = logits.new_zeros(logits.shape[:2])
            mask = batch.mask[members, columns]
            return found.index_copy(0, members, disagreement(logits[members], groups, mask))

        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach_weights):
            kl = forward.across(of)
        weights = 1 + (self.alpha - 1) * self._scaled(kl, batch.totals.width)
        return keep(weights, batch.mask), keep(kl, batch.mask)

    def modify(
        self, tokens: TokenLoss, batch: LossBatch, forward: Forward, state: Any
    ) -> TokenLoss:
        """Return the losses times their weights."""
        weights, kl = self.weights(batch, forward)
        high = (weights > (1 + self.alpha) / 2).to(weights.dtype)
        metrics = {
            "objective/token_weight": token_metric(weights, batch.mask),
            "objective/token_weight_high": token_metric(high, batch.mask),
            "objective/disagreement": token_metric(kl, batch.mask),
        }
        return dataclasses.replace(
            tokens, loss=tokens.loss * weights, metrics=add_metrics(tokens.metrics, metrics)
        )

    @staticmethod
    def _scaled(kl: Tensor, width: int) -> Tensor:
        """Return disagreements ``[M, T]`` between 0 and 1, over the ``width`` positions allowed."""
        everywhere = kl
        if kl.shape[1] < width:
            everywhere = torch.cat([kl, torch.zeros_like(kl.sum(-1, keepdim=True))], dim=1)
        lowest = everywhere.amin(-1, keepdim=True)
        return (kl - lowest) / (everywhere.amax(-1, keepdim=True) - lowest + NO_RANGE)
