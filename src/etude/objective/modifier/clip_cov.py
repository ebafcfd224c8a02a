"""Clip-Cov (arXiv 2505.22617): some tokens that would press the entropy down do not learn.

    cov = (A − mean A)·(ℓ − mean ℓ)
    candidates: low < cov < high, and not removed by the clip of the policy loss
    max(1, ⌊ratio · tokens⌋) of them, chosen at random, have loss 0

Means and budget are those of the whole update batch, and the denominator still counts what is
dropped. The draw belongs to the token (its row and step), so the layout of a batch does not change
it. No gradient passes through the choice. The band 1 to 5 is made for advantages of standard
deviation 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Need, Rule, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import Modifier
from etude.primitives.covariance import token_covariance
from etude.primitives.masked import keep, masked_mean
from etude.primitives.subsets import largest
from etude.randomness import seed_of, uniforms

MARK = "clip_cov"


@component(
    source="arXiv 2505.22617",
    requires=[Need("loss:tokenwise", why="because it takes the loss off single tokens")],
)
@dataclass(frozen=True)
class ClipCov(Modifier):
    """Take the loss off a few tokens whose advantage and log-prob are high together."""

    words: ClassVar[str] = "{ratio} of tokens with covariance {low} to {high} dropped at random"
    statistics: ClassVar[tuple[str, ...]] = ("logprobs",)
    reads_clipped: ClassVar[bool] = True

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("low < high", "is {low}, not below {path}.high={high}: no token is a candidate."),
    )

    ratio: float = option(2e-4, "share of all tokens that may be dropped, at least one", ge=0, le=1)
    low: float = option(1.0, "candidates have a larger covariance")
    high: float = option(5.0, "candidates have a smaller covariance")
    scope: str = option(
        "update_batch",
        "what means and budget belong to: update_batch | micro_batch (verl)",
        choices=("update_batch", "micro_batch"),
    )

    def candidates(self, covariance: Tensor, mask: Tensor, clipped: Tensor) -> Tensor:
        """Return which tokens may be dropped, boolean ``[N, T]``."""
        in_band = (covariance > self.low) & (covariance < self.high)
        return in_band & (mask > 0) & ~clipped

    def budget(self, mask: Tensor) -> int:
        """Return how many tokens of ``mask`` are dropped at most."""
        return max(1, int(self.ratio * int((mask > 0).sum())))

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Choose the tokens of the update batch."""
        if self.scope == "micro_batch":
            return batch
        logprobs, clipped = statistics["logprobs"], batch.marks["clipped"]
        covariance = token_covariance(batch.advantages, logprobs, batch.mask)
        candidates = self.candidates(covariance, batch.mask, clipped)
        share = masked_mean(candidates.double(), batch.mask.double())
        batch = batch.mark("clip_cov_candidates", share)
        batch = batch.mark("clip_cov_covariance", masked_mean(covariance, batch.mask.double()))
        return batch.mark(MARK, self._drawn(candidates, batch))

    def modify(
        self, tokens: TokenLoss, batch: LossBatch, forward: Forward, state: Any
    ) -> TokenLoss:
        """Return the losses with those of the chosen tokens set to 0."""
        nothing = torch.zeros_like(batch.mask, dtype=torch.bool)
        clipped = nothing if tokens.clipped is None else tokens.clipped
        if self.scope == "micro_batch":
            covariance = token_covariance(batch.advantages, forward.logprobs, batch.mask)
            chosen = self._drawn(self.candidates(covariance, batch.mask, clipped), batch)
        else:
            chosen = batch.marks[MARK]
        metrics = {"objective/clip_cov_fraction": token_metric(chosen, batch.mask)}
        kept = keep(tokens.loss, 1.0 - chosen.to(tokens.loss.dtype))
        return TokenLoss(kept, {**tokens.metrics, **metrics}, clipped | chosen)

    def _drawn(self, candidates: Tensor, batch: LossBatch) -> Tensor:
        """Return the candidates with the largest draws, as many as the budget has."""
        width = candidates.shape[1]
        draws = torch.zeros(candidates.shape, dtype=torch.float64)
        for row in candidates.any(-1).nonzero().flatten().tolist():
            seed = seed_of(MARK, int(batch.row_seeds[row]), batch.step)
            draws[row] = torch.from_numpy(uniforms(seed, width))
        drawn = draws.to(candidates.device)
        return largest(drawn, candidates, self.budget(batch.mask), batch.row_seeds)
