"""No correction: what the engine sampled is trained as if the trainer had drawn it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import component
from etude.objective.batch import LossBatch, RolloutBatch
from etude.objective.mismatch.kind import Mismatch


@component()
@dataclass(frozen=True)
class Uncorrected(Mismatch):
    """The difference between sampler and trainer is measured and not corrected."""

    active: ClassVar[bool] = False
    built_in = False

    def outside(self, batch: LossBatch | RolloutBatch) -> Tensor:
        """Return False for every token."""
        return torch.zeros_like(batch.mask, dtype=torch.bool)

    def correct(self, batch: LossBatch) -> LossBatch:
        """Return the batch as it is."""
        return batch
