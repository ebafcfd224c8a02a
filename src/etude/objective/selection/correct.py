"""Rejection sampling inside the update (RAFT, arXiv 2304.06767): only right answers are trained on.

Rows whose metric is not above the threshold leave the loss and every denominator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import Need, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Selection


@component(
    source="arXiv 2304.06767",
    requires=[Need("part:accuracy", when="metric == 'accuracy'", why="to see what is right")],
)
@dataclass(frozen=True)
class Correct(Selection):
    """Train on the answers whose metric is above a threshold, and on nothing else."""

    words: ClassVar[str] = "only rows with {metric} above {above}"

    metric: str = option(
        "accuracy", "what is looked at: a part of the verifier, or reward (the sum)"
    )
    above: float = option(0.0, "a row is kept when its metric is larger")

    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask of the kept rows, ``[N, T]``."""
        metric = batch.rewards if self.metric == "reward" else batch.parts[self.metric]
        return batch.mask * (metric > self.above).unsqueeze(-1).to(batch.mask.dtype)
