"""The slot of the critic: what predicts the rewards to come, and the loss it learns by.

``outputs [N, T, m]`` are a head's numbers at every token: what the model saw there is all before
the token. m is 1 for a critic that predicts a number and the size of its support for one that
predicts a distribution; either way :meth:`CriticLoss.values` makes values ``[N, T]`` of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from etude.objective.batch import LossBatch, RolloutBatch
from etude.objective.loss import ScalarLoss, TokenLoss
from etude.objective.parts import Aggregation, Part

#: The mark of an update batch that holds what :meth:`CriticLoss.targets` gave.
TARGETS = "critic_targets"


class CriticLoss(Part, ABC):
    """What the outputs of a head mean, and what their error costs."""

    @property
    @abstractmethod
    def places(self) -> Tensor:
        """Return the numbers the outputs stand for, ``[m]``; ``[0.]`` for a plain number."""

    @abstractmethod
    def values(self, outputs: Tensor) -> Tensor:
        """Return the value of every token, ``[N, T]``, in float32 or float64."""

    def targets(self, batch: RolloutBatch, returns: Tensor, outputs: Tensor) -> Tensor:
        """Return what the outputs should come to: the returns ``[N, T]``, or something else.

        ``outputs`` are those before the update, on the rows of the whole step.
        """
        return returns

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor, batch: LossBatch) -> TokenLoss:
        """Return the loss of every token; ``batch`` has ``values`` before the update, ``returns``.

        Where the mask is 0 everything is 0.
        """

    def uncovered(self, low: float, high: float) -> str:
        """Return why rewards from ``low`` to ``high`` cannot be told apart; empty when they can."""
        return ""


class Critic(Part, ABC):
    """What predicts the rewards to come at every token."""

    #: False for a critic that does nothing; only an active one has the rest.
    active: ClassVar[bool] = True
    share: str
    role: str
    lr: float | None
    loss: CriticLoss

    @abstractmethod
    def term(self, outputs: Tensor, batch: LossBatch, aggregation: Aggregation) -> ScalarLoss:
        """Return the loss of a micro-batch, coefficient included; it adds over micro-batches.

        ``aggregation`` is that of the policy loss. The targets are the mark :data:`TARGETS`.
        """
