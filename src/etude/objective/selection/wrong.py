"""Only wrong answers are trained on (NSR, arXiv 2506.01347): the other half of ``correct``.

Rows whose metric is above the threshold leave the loss and every denominator, so a step does not
shrink as answers get better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import Need, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Selection


@component(
    source="arXiv 2506.01347",
    requires=[Need("part:accuracy", when="metric == 'accuracy'", why="to see what is wrong")],
)
@dataclass(frozen=True)
class Wrong(Selection):
    """Train on the answers whose metric is not above a threshold, and on nothing else."""

    words: ClassVar[str] = "only rows with {metric} not above {above}"

    metric: str = option(
        "accuracy", "what is looked at: a part of the verifier, or reward (the sum)"
    )
    above: float = option(0.0, "a row is left out when its metric is larger")

    def select(self, batch: RolloutBatch, advantages: Tensor, state: Any) -> Tensor:
        """Return the mask of the kept rows, ``[N, T]``."""
        metric = batch.rewards if self.metric == "reward" else batch.parts[self.metric]
        return batch.mask * (metric <= self.above).unsqueeze(-1).to(batch.mask.dtype)
