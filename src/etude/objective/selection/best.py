"""Best-of-k inside the update (RAFT, arXiv 2304.06767): the best answer to each prompt is trained.

Of equal rewards the first row wins; the others leave the loss and every denominator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import component
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Selection
from etude.primitives.best import first_best


@component(source="arXiv 2304.06767")
@dataclass(frozen=True)
class Best(Selection):
    """Train on the answer with the highest reward of each prompt (ties: the first)."""

    words: ClassVar[str] = "only the best row of each prompt"

    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask of the best row of each group, ``[N, T]``."""
        kept = first_best(batch.rewards, batch.groups)
        return batch.mask * kept.unsqueeze(-1).to(batch.mask.dtype)
