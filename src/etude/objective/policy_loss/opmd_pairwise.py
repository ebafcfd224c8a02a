"""OPMD, pairwise (Trinity-RFT): the spread of rewards tilted by the policy's own log-probs.

    d_i = R_i − τ·(S_i − sg[S_i]),  S_i = Σ_t ℓ_it
    L = Σ_groups Σ_i (d_i − mean_g d)² / (tokens · max(1, τ))

The value is the spread of the rewards; the gradient at each token is
−2τ·(R_i − mean_g R) / (tokens · max(1, τ)). Rewards are read, advantages are not. A group of one
row adds nothing. Its authors call the form untested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from etude.component import component, option
from etude.errors import DataError
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import ScalarLoss, row_metric
from etude.objective.parts import SEVERAL, PolicyLoss


@component(source="arXiv 2509.24203", requires=[SEVERAL])
@dataclass(frozen=True)
class PairwiseOPMD(PolicyLoss):
    """The variance of rewards minus scaled log-prob changes in each group."""

    words: ClassVar[str] = "pairwise mirror descent (tau {tau}) over whole groups ÷ tokens"
    whole_groups: ClassVar[bool] = True

    tau: float = option(1.0, "strength of the pull to the sampling policy", ge=0)

    def loss(self, batch: LossBatch, forward: Forward) -> ScalarLoss:
        """Return the loss of the groups; raises DataError when the batch has no rewards."""
        if batch.rewards is None:
            raise DataError(
                "objective/policy_loss=opmd_pairwise reads the reward of every row, and these rows "
                "have none; type objective/policy_loss=opmd"
            )
        logprob = (forward.logprobs * batch.mask).sum(-1)
        tilted = batch.rewards.to(logprob.dtype) - self.tau * (logprob - logprob.detach())
        ids, index = torch.unique(batch.groups, return_inverse=True)
        zeros = tilted.new_zeros(ids.numel())
        size = zeros.index_add(0, index, torch.ones_like(tilted))
        centred = tilted - (zeros.index_add(0, index, tilted) / size)[index]
        loss = centred.square().sum() / (max(batch.totals.tokens, 1) * max(1.0, self.tau))
        spread = centred.detach().square()
        return ScalarLoss(
            loss, {"objective/reward_variance": row_metric(spread, torch.ones_like(spread))}
        )
