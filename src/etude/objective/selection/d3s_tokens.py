"""D3S on tokens (arXiv 2509.22115): the tokens with the largest |A|·H are trained on.

    keep the ⌈share · n⌉ (1 or more) of n tokens with the largest |A|·H

of the whole update batch (``batch``) or of each row (``sequence``); H is the entropy of the present
policy before the update, and no gradient passes through the choice. The share grows linearly from
``start`` to ``end`` over the stage. The others leave the loss; they leave the denominators too, or,
with ``denominator: all``, stay there with loss 0. Rules the paper leaves open are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Need, component, option
from etude.objective.batch import LossBatch, RolloutBatch
from etude.objective.parts import Selection
from etude.primitives.masked import as_float, keep
from etude.primitives.subsets import largest, linear_share, share_of


@component(
    source="arXiv 2509.22115",
    requires=[
        Need(
            "loss:tokenwise",
            when="denominator == 'all'",
            why="because it takes the loss off single tokens",
        )
    ],
)
@dataclass(frozen=True)
class D3STokens(Selection):
    """Train on the tokens of largest advantage times entropy, a share that grows with the stage."""

    words: ClassVar[str] = "tokens of largest |A| × entropy, {start} to {end} of them"
    depends_on_steps: ClassVar[bool] = True
    statistics: ClassVar[tuple[str, ...]] = ("entropy",)

    start: float = option(0.2, "share of tokens kept at the first step", gt=0, le=1)
    end: float = option(1.0, "share of tokens kept at the end", gt=0, le=1)
    steps: int | None = option(None, "steps until the end; null: those of the stage", ge=1)
    scope: str = option(
        "batch",
        "batch (of all tokens of an update) | sequence (the same share of each row's)",
        choices=("batch", "sequence"),
    )
    denominator: str = option(
        "kept",
        "what the loss is divided by: kept (tokens) | all (dropped ones count, with loss 0)",
        choices=("kept", "all"),
    )

    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask as it is: entropies are known only before an update."""
        return batch.mask

    def scores(self, batch: LossBatch, entropy: Tensor) -> Tensor:
        """Return |A|·H of every token, 0 off the mask, ``[N, T]``."""
        return keep(batch.advantages.detach().double().abs() * entropy.double(), batch.mask)

    def chosen(self, batch: LossBatch, entropy: Tensor) -> Tensor:
        """Return which tokens are kept, boolean ``[N, T]``."""
        share = linear_share(self.start, self.end, batch.step, self.steps or batch.steps)
        scores = self.scores(batch, entropy)
        if self.scope == "batch":
            return _largest_share(scores, batch.mask, share, batch.row_seeds)
        rows = [slice(i, i + 1) for i in range(len(scores))]
        kept = [
            _largest_share(scores[row], batch.mask[row], share, batch.row_seeds[row])
            for row in rows
        ]
        return torch.cat(kept)

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Return the update batch without the tokens that are dropped."""
        entropy = statistics["entropy"]
        kept = self.chosen(batch, entropy).to(as_float(batch.mask).dtype)
        if self.denominator == "kept":
            return replace(batch, mask=batch.mask * kept)
        weights = kept if batch.rollout_weights is None else kept * batch.rollout_weights
        return replace(batch, rollout_weights=weights)


def _largest_share(scores: Tensor, mask: Tensor, share: float, seeds: Tensor) -> Tensor:
    return largest(scores, mask, share_of(share, int((mask > 0).sum()), least=1), seeds)
