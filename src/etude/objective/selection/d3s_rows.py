"""D3S on rows (arXiv 2509.22115): the answers whose advantages vary most are trained on.

    keep k = ⌈share · n⌉ (2 or more) of n rows with the largest population variance of A

exactly, of each prompt's rows (``intra``) or of all rows of the step (``cross``). The share grows
linearly from ``start`` to ``end`` over the stage, so that in the end nothing is dropped. Advantages
are those of the whole group; ``renormalise`` normalises those of the kept rows again. What is
dropped leaves every denominator. Rows without a token are not counted; of equal advantages the
row's own seed decides. Rules the paper leaves open are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import component, option
from etude.objective.batch import LossBatch, RolloutBatch
from etude.objective.parts import Selection
from etude.primitives.groups import group_statistics
from etude.primitives.masked import as_float, keep, row_mean
from etude.primitives.subsets import linear_share, max_variance_subset, share_of


@component(source="arXiv 2509.22115")
@dataclass(frozen=True)
class D3SRows(Selection):
    """Train on the rows whose advantages vary most, a share that grows with the stage."""

    words: ClassVar[str] = "{scope} rows of largest advantage variance, {start} to {end} of them"
    depends_on_steps: ClassVar[bool] = True

    start: float = option(0.5, "share of rows kept at the first step", gt=0, le=1)
    end: float = option(1.0, "share of rows kept at the end", gt=0, le=1)
    steps: int | None = option(None, "steps until the end; null: those of the stage", ge=1)
    scope: str = option(
        "intra",
        "intra (the same share of each prompt's rows) | cross (of all rows of a step)",
        choices=("intra", "cross"),
    )
    renormalise: bool = option(
        False, "normalise the advantages of the kept rows of each prompt again"
    )
    epsilon: float = option(1e-6, "added to the standard deviation by renormalise", ge=0)

    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask of the kept rows, ``[N, T]``."""
        share = linear_share(self.start, self.end, batch.step, self.steps or batch.steps)
        values = row_mean(advantages.double(), batch.mask.double())
        count = len(values)
        seeds = torch.arange(count) if batch.row_seeds is None else batch.row_seeds
        filled = batch.mask.sum(-1) > 0
        scopes = batch.groups if self.scope == "intra" else torch.zeros_like(batch.groups)
        kept = torch.zeros_like(filled)
        for one in torch.unique(scopes[filled]).tolist():
            rows = ((scopes == one) & filled).nonzero().flatten()
            rows = rows[seeds[rows].argsort(stable=True)]
            size = share_of(share, len(rows), least=2)
            kept[rows] = max_variance_subset(values[rows], size)
        return batch.mask * kept.unsqueeze(-1).to(batch.mask.dtype)

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Normalise the advantages that are left, where that is asked for."""
        if not self.renormalise:
            return batch
        mask = as_float(batch.mask)
        advantages = keep(as_float(batch.advantages), mask)
        rows = (mask.sum(-1) > 0).nonzero().flatten()
        values = row_mean(advantages.double(), mask.double())[rows]
        found = group_statistics(values, batch.groups[rows])
        mean = torch.where(found.flat, values, found.mean).unsqueeze(-1)
        std = found.std.unsqueeze(-1) + self.epsilon
        again = torch.zeros_like(advantages)
        again[rows] = ((advantages[rows] - mean) / std).to(again.dtype)
        return replace(batch, advantages=keep(again, mask))
