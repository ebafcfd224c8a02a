"""The slot of the supervised objective: what one demonstrated token costs."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class DemonstrationLoss(ABC):
    """Turns the log-probs of demonstrated tokens into losses."""

    @abstractmethod
    def loss(self, logprobs: Tensor) -> Tensor:
        """Return the loss of every token, ``[N, T]``, from the log-probs of the labels."""
