"""What an answer that the token limit cut off is worth (the recipe of ProRL v2, in OpenRLHF).

R ← coef · R     for coef in [0, 1]
R ← coef         for coef < 0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from etude.component import ADVANTAGES, Need, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Shaping


@component(
    source="arXiv 2510.01180",
    conflicts=[
        Need(
            ADVANTAGES,
            why="advantages are estimated part by part, and no one reward is there to be scaled",
        )
    ],
)
@dataclass(frozen=True)
class StopProperly(Shaping):
    """Scale the reward of answers that did not end by themselves, or put another in its place."""

    words: ClassVar[str] = "[{coef}|nothing] for cut answers"

    coef: float = option(
        0.0, "0 to 1: the reward of a cut answer is multiplied by it; below 0: it is it", le=1
    )

    def shape(self, batch: RolloutBatch, state: Any) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with the rewards of cut answers changed, and by how much on average."""
        other = batch.rewards * self.coef if self.coef >= 0 else self.coef
        changed = torch.where(batch.truncated, other, batch.rewards)
        change = changed - batch.rewards
        mean = float(change.mean()) if change.numel() else 0.0
        return batch.add_outcome(change), {"objective/stop_properly": mean}
