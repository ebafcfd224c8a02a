"""DRPO (arXiv 2510.04474): raise short right answers, lower the likeliest wrong ones.

    s_i = mean_t ℓ_it        ω_i = exp((1 − |o_i|/L)/λ),  L the longest response allowed
    J = (1/Q) Σ_q [ Σ_right ω_i s_i / Σ_right ω_i  −  τ·log Σ_wrong exp(s_j/τ) ]
    L = −J + sg[max(β·(K − δ), 0)]·K,   K = token mean of ℓ° − ℓ over the update batch

A right answer is only compared with other right answers, so a long one is never pushed down. A
prompt without right or without wrong answers adds nothing, and counts among the Q prompts of the
update batch. The constraint's gradient is that of (β/2)·max(K − δ, 0)². As in the published code
the value of the soft maximum is replaced by τ; only its gradient means anything, so do not compare
logged losses with J. λ → ∞ is DisCO. Rewards are read, advantages are not; an answer without a
trained token is in no group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import ScalarLoss, row_metric, token_metric
from etude.objective.parts import SEVERAL, PolicyLoss
from etude.objective.policy_loss.labels import right_answers
from etude.primitives.group_scores import group_size, group_softmax
from etude.primitives.masked import keep, masked_mean, masked_sum, row_mean

#: The mark of an update batch that holds the constraint's present strength, β·(K − δ) or 0.
STRENGTH = "drpo_strength"


@component(source="arXiv 2510.04474", requires=[SEVERAL], provides=["loss:reward-reading"])
@dataclass(frozen=True)
class DRPO(PolicyLoss):
    """The mean log-prob of right answers, short ones first, against the likeliest wrong ones."""

    words: ClassVar[str] = (
        "right answers against wrong ones (length {length_temperature}, tau {tau}), "
        "KL held to {delta}"
    )
    whole_groups: ClassVar[bool] = True
    statistics: ClassVar[tuple[str, ...]] = ("logprobs",)

    length_temperature: float = option(
        0.1, "λ: larger cares less about length (1e9: not at all, DisCO)", gt=0
    )
    tau: float = option(10.0, "temperature of the soft maximum over wrong answers", gt=0)
    delta: float = option(1e-4, "the KL to the sampling policy that costs nothing")
    beta: float = option(1e3, "slope of the cost of more KL", ge=0)
    kl: str = option(
        "k1",
        "estimate of KL(sampling policy ‖ policy) of a token: k1 (ℓ° − ℓ) | k3 "
        "(ℓ° − ℓ + exp(ℓ − ℓ°) − 1)",
        choices=("k1", "k3"),
    )
    threshold: float = option(0.5, "an answer is right when its reward is above this")

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Return the update batch with the constraint's strength, from all of its tokens."""
        kl = masked_mean(self._kl(statistics["logprobs"], batch), batch.mask)
        return batch.mark(STRENGTH, (self.beta * (kl - self.delta)).clamp(min=0))

    def loss(self, batch: LossBatch, forward: Forward) -> ScalarLoss:
        """Return the loss of the groups; raises DataError when the batch has no rewards."""
        mask, groups = batch.mask, batch.groups
        label = right_answers(batch, self.threshold, "drpo")
        members = (mask.sum(-1) > 0).to(mask.dtype)
        right, wrong = members * label, members * (1 - label)
        both = (group_size(label, groups, right) > 0) & (group_size(label, groups, wrong) > 0)
        right, wrong = right * both, wrong * both

        score = row_mean(forward.logprobs, mask)
        shortness = (1 - mask.sum(-1) / batch.totals.width) / self.length_temperature
        omega = group_softmax(shortness, groups, right)
        gain = masked_sum(omega * score, right)
        # The soft maximum has the value tau a group and the gradient of its softmax weights.
        pull = group_softmax(score / self.tau, groups, wrong)
        valid = torch.unique(groups[both]).numel()
        cost = self.tau * valid + masked_sum(pull * (score - score.detach()), wrong)
        kl = self._kl(forward.logprobs, batch)
        strength = batch.marks[STRENGTH].to(mask.dtype)
        constraint = strength * masked_sum(kl, mask) / max(batch.totals.tokens, 1)

        total = -(gain - cost) / max(batch.totals.groups, 1) + constraint
        active = (strength > 0).to(mask.dtype).expand(len(members))
        lengths = mask.sum(-1)
        return ScalarLoss(
            total,
            {
                "objective/constraint_kl": token_metric(kl, mask),
                "objective/constraint_active": row_metric(active, members),
                "objective/length_right": row_metric(lengths, members * label),
                "objective/length_wrong": row_metric(lengths, members * (1 - label)),
                "objective/compared_rows": row_metric(right + wrong, members),
            },
        )

    def _kl(self, logprobs: Tensor, batch: LossBatch) -> Tensor:
        """Return the KL estimate of every token, ``[N, T]``, 0 off the mask."""
        change = keep(batch.old_logprobs - logprobs, batch.mask)
        return change if self.kl == "k1" else keep(change + (-change).exp() - 1, batch.mask)
