"""PACS (arXiv 2509.02522): the reward is a label, and the policy's own score predicts it.

    r̂_i = β·Σ_t (ℓ_it − ℓ°_it)          or   β·mean_t ℓ_it
    ψ_i = r̂_i − mean_{j≠i} r̂_j           or   (r̂_i − mean_g)/(std_g + 1e-6)   or   r̂_i
    L = (1/rows) Σ_i w_i·[softplus(ψ_i) − y_i·ψ_i],   y_i = 1 where R_i > threshold

The gradient flows through the baseline, so that each answer also moves the scores of the others:
σ(ψ) is the critic that the policy carries in itself. ``question`` weights give right and wrong
answers of a prompt the same weight, n_g/(2·n_class); a prompt with one class has weight 1. Rows
without a trained token belong to no group; a row that is alone is its own score. Advantages and
the aggregation are not read.

At the first update of a step every sum of log-ratios is 0, where ``grpo`` divides by 1e-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from etude.component import Need, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import ScalarLoss, row_metric
from etude.objective.parts import PolicyLoss
from etude.objective.policy_loss.labels import right_answers
from etude.primitives.group_scores import group_size, group_total, minus_mean, minus_others
from etude.primitives.masked import masked_sum, row_mean


@component(
    source="arXiv 2509.02522",
    requires=[
        Need("answers:several", when="baseline != 'naive'", why="to compare an answer with others")
    ],
    provides=["loss:reward-reading"],
)
@dataclass(frozen=True)
class PACS(PolicyLoss):
    """Cross-entropy between a row's label and its score relative to the group's other answers."""

    words: ClassVar[str] = (
        "cross-entropy of right or wrong and the {baseline} of {beta} · {score}, {weights} weights"
    )
    whole_groups: ClassVar[bool] = True

    beta: float = option(1.0, "scale of a row's score", gt=0)
    score: str = option(
        "log_ratio",
        "a row's score: log_ratio (its sum over tokens) | mean_logprob (of the present policy)",
        choices=("log_ratio", "mean_logprob"),
    )
    baseline: str = option(
        "rloo",
        "what the score is compared with: rloo (mean of the others) | grpo (mean of the group) "
        "| naive (nothing)",
        choices=("rloo", "grpo", "naive"),
    )
    divide_by_std: bool = option(True, "baseline grpo also divides by the group's std")
    weights: str = option(
        "question",
        "weight of a row: question (right and wrong ones of a prompt balanced) | only_positive "
        "| only_negative | none",
        choices=("question", "only_positive", "only_negative", "none"),
    )
    threshold: float = option(0.5, "an answer is right when its reward is above this")

    def loss(self, batch: LossBatch, forward: Forward) -> ScalarLoss:
        """Return the loss of the groups; raises DataError when the batch has no rewards."""
        label = right_answers(batch, self.threshold, "pacs")
        members = (batch.mask.sum(-1) > 0).to(label.dtype)
        psi = self._relative(self._score(batch, forward), batch.groups, members)
        rows = self._weights(label, batch.groups, members) * (F.softplus(psi) - label * psi)
        loss = masked_sum(rows, members) / max(batch.totals.rows, 1)
        known = ((psi > 0) == (label > 0)).to(label.dtype)
        return ScalarLoss(
            loss,
            {
                "objective/policy_loss": row_metric(rows, members),
                "objective/score_right": row_metric(psi, members * label),
                "objective/score_wrong": row_metric(psi, members * (1 - label)),
                "objective/score_accuracy": row_metric(known, members),
            },
        )

    def _score(self, batch: LossBatch, forward: Forward) -> Tensor:
        if self.score == "mean_logprob":
            return self.beta * row_mean(forward.logprobs, batch.mask)
        return self.beta * ((forward.logprobs - batch.old_logprobs) * batch.mask).sum(-1)

    def _relative(self, score: Tensor, groups: Tensor, members: Tensor) -> Tensor:
        if self.baseline == "rloo":
            return minus_others(score, groups, members)
        if self.baseline == "grpo":
            return minus_mean(score, groups, members, scale=self.divide_by_std)
        return score

    def _weights(self, label: Tensor, groups: Tensor, members: Tensor) -> Tensor:
        if self.weights == "only_positive":
            return label
        if self.weights == "only_negative":
            return 1 - label
        if self.weights == "none":
            return torch.ones_like(label)
        size = group_size(label, groups, members)
        right = group_total(label, groups, members)
        own_class = torch.where(label > 0, right, size - right)
        mixed = (right > 0) & (right < size)
        return torch.where(mixed, size / (2 * own_class).clamp(min=1), torch.ones_like(label))
