"""No demonstrations in the update."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import Loss
from etude.objective.parts import Imitation


@component()
@dataclass(frozen=True)
class NoImitation(Imitation):
    """The policy learns from its own answers only."""

    @property
    def rows(self) -> int:
        """Return 0."""
        return 0

    def policy_weight(self, step: int) -> float:
        """Return 1."""
        return 1.0

    def loss(self, batch: LossBatch, forward: Forward) -> Loss:
        """Return 0."""
        return Loss(forward.logprobs.sum() * 0.0)
