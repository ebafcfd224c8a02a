"""The slot of the preference objective: what a pair of answers costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from etude.objective.loss import ScalarLoss
from etude.objective.pairs import PairBatch, PairLosses
from etude.objective.parts import PartState


class PairLoss(ABC):
    """Turns a better and a worse answer into a loss; what it needs it declares.

    A loss that compares with the start requires ``model:reference``; one without that requirement
    is given no reference log-probs, and no pass is spent on them.
    """

    def make_state(self) -> PartState | None:
        """Return the state at the start of a stage, or None when there is none."""
        return None

    @abstractmethod
    def loss(self, batch: PairBatch, state: Any) -> PairLosses | ScalarLoss:
        """Return the loss of every pair, or a scalar where the method has other denominators.

        A scalar is divided by ``batch.totals`` already, so that it adds over micro-batches.
        """
