"""Overlong filtering (DAPO, arXiv 2503.14476): truncated answers are not trained on.

Rows that the response limit ended get an all-zero mask. Their rewards still take part in the
statistics of their group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Masking


@component(source="arXiv 2503.14476")
@dataclass(frozen=True)
class OverlongFilter(Masking):
    """Take truncated rows out of the loss, keeping their rewards in the group."""

    words: ClassVar[str] = "truncated rows take no part in the loss"

    def mask(self, batch: RolloutBatch) -> Tensor:
        """Return the mask with truncated rows at 0, ``[N, T]``."""
        return batch.mask * (~batch.truncated).unsqueeze(-1).to(batch.mask.dtype)
