"""ROVER (arXiv 2509.24981): regress the value of the uniformly random policy, and sample from it.

    Q_t = ρ·(ℓ_t − ℓ°_t)      V_t = ρ·β·(u_{t+1} − u°_{t+1}),  u = mean_v log π(v)
    L_t = (Q_t − sg[A_t + V_t])²

u is the mean log-prob over the whole vocabulary of the distribution that the next token comes
from, u° that of the sampling policy; V is 0 at the last token. A is the centred reward of the
answer (``objective/advantage=dr_grpo``; the released math script divides by the group's std as
well: ``objective/advantage=grpo``). Before the first update of a step Q and V are 0, and the
gradient is REINFORCE's with a group baseline, times 2ρ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Need, Rule, component, option
from etude.errors import DataError
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import ScalarLoss, TokenLoss, token_metric
from etude.objective.parts import PolicyLoss
from etude.primitives.distribution import mean_logprob_of
from etude.primitives.masked import keep, row_mean


@component(source="arXiv 2509.24981", provides=[Need("loss:tokenwise", when="level == 'token'")])
@dataclass(frozen=True)
class Rover(PolicyLoss):
    """The squared temporal difference of log-ratios read as values of the random policy."""

    words: ClassVar[str] = (
        "squared difference of {rho} · log-ratio and the reward plus {next_value} · next value"
        "[, clip {clip}]"
    )
    old_statistics: ClassVar[tuple[str, ...]] = ("mean_logprob",)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "stage.rollout.model_from == null",
            "is {stage.rollout.model_from}: the loss compares distributions with those of the "
            "sampling policy, which must be the trained model: rollout.model_from=null",
        ),
        Rule(
            "stage.rollout.logits.name == 'own'",
            "is {stage.rollout.logits.name}: the loss compares distributions with those of the "
            "trained model, which must draw alone: rollout/logits=own",
        ),
    )

    rho: float = option(1.0, "scale from log-ratios to values", gt=0)
    next_value: float = option(1.0, "weight of the next state's value in the target", ge=0)
    clip: float | None = option(
        None,
        "values are held at log(1 ± clip) where they are beyond and the target pulls further; "
        "null: never",
        gt=0,
        lt=1,
    )
    level: str = option(
        "token",
        "what is regressed: token | response (the mean value of an answer on its reward)",
        choices=("token", "response"),
    )

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss | ScalarLoss:
        """Return the squared error of every token, or of every answer for ``level: response``."""
        value, target = self.terms(batch, forward)
        if self.level == "response":
            error = row_mean(value, batch.mask) - row_mean(batch.advantages, batch.mask)
            return ScalarLoss(error.square().sum() / max(batch.totals.rows, 1))
        error = (value - target).square()
        metrics = {
            "objective/target": token_metric(target, batch.mask),
            "objective/next_value": token_metric(target - batch.advantages, batch.mask),
            "objective/value_size": token_metric(value.abs(), batch.mask),
        }
        return TokenLoss(error, metrics)

    def terms(self, batch: LossBatch, forward: Forward) -> tuple[Tensor, Tensor]:
        """Return values with gradient and constant targets, both ``[N, T]``, 0 off the mask."""
        value = self.rho * keep(forward.logprobs - batch.old_logprobs, batch.mask)
        target = keep(batch.advantages + self._next(batch, forward), batch.mask)
        if self.clip is not None:
            high, low = math.log1p(self.clip), math.log1p(-self.clip)
            value = torch.where((target > value) & (value > high), high, value)
            value = torch.where((target < value) & (value < low), low, value)
        return value, target

    def _next(self, batch: LossBatch, forward: Forward) -> Tensor:
        """Return the value of the state after every token, ``[N, T]``, without gradient."""
        if "mean_logprob" not in batch.old_statistics:
            raise DataError(
                "objective/policy_loss=rover compares distributions with those of the sampling "
                "policy, and these rows were drawn from another; type rollout.model_from=null "
                "and rollout/logits=own"
            )
        with torch.no_grad():
            present = forward.statistic(mean_logprob_of)
        change = keep(present - batch.old_statistics["mean_logprob"], batch.mask)
        following = torch.cat([change[:, 1:], torch.zeros_like(change[:, :1])], dim=1)
        return self.rho * self.next_value * following
