"""Rejection sampling inside the update (RAFT, arXiv 2304.06767): only right answers are trained on.

Rows whose metric is not above the threshold leave the loss and every denominator.

With ``before_updates``, as in the released trainer of NSR and PSR, they leave before the step is
cut into updates: an update batch is a full share of the step's rows, there are as many as the kept
rows fill, and the loss of the last counts by how full it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import component, option
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Selection


@component(
    source="arXiv 2304.06767",
)
@dataclass(frozen=True)
class Correct(Selection):
    """Train on the answers whose metric is above a threshold, and on nothing else."""

    words: ClassVar[str] = "only rows with {metric} above {above}"

    metric: str = option(
        "accuracy",
        "what is looked at: a part of the verifier, or reward (the sum)",
        form="part or reward",
    )
    above: float = option(0.0, "a row is kept when its metric is larger")
    before_updates: bool = option(
        False, "dropped rows leave before the step is cut into updates: there are then fewer"
    )

    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask of the kept rows, ``[N, T]``."""
        metric, applies = batch.metric(self.metric)
        return batch.mask * ((metric > self.above) & applies).unsqueeze(-1).to(batch.mask.dtype)
