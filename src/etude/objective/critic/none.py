"""No critic: advantages come from rewards alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component
from etude.objective.batch import LossBatch
from etude.objective.critic.kind import Critic
from etude.objective.loss import ScalarLoss
from etude.objective.parts import Aggregation


@component()
@dataclass(frozen=True)
class NoCritic(Critic):
    """Predict nothing."""

    active: ClassVar[bool] = False

    def term(self, outputs: Tensor, batch: LossBatch, aggregation: Aggregation) -> ScalarLoss:
        """Return 0."""
        return ScalarLoss(outputs.new_zeros(()))
