"""The slot of the supervised objective: what one demonstrated token costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.objective.batch import MaskedForward, SupervisedForward
from etude.objective.loss import TokenLoss
from etude.primitives.masked import as_float, keep


@dataclass(frozen=True)
class Taught(MaskedForward):
    """A forward pass over demonstrations, 0 and without gradient wherever nothing is taught."""

    forward: SupervisedForward

    def reference_logits(self) -> Tensor:
        """Return the reference model's logits, without gradient, 0 where masked, ``[N, T, V]``."""
        with torch.no_grad():
            return keep(as_float(self.forward.reference_logits()), self.mask.unsqueeze(-1))

    def teacher_logits(self) -> Tensor:
        """Return the teacher's logits, without gradient, 0 where masked, ``[N, T, V]``."""
        with torch.no_grad():
            return keep(as_float(self.forward.teacher_logits()), self.mask.unsqueeze(-1))


class DemonstrationLoss(ABC):
    """Turns the model's view of demonstrated tokens into losses."""

    @abstractmethod
    def loss(self, taught: Taught) -> TokenLoss:
        """Return the loss of every token, ``[N, T]``; ``taught.logprobs`` are the labels'."""
