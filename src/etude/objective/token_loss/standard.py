"""Cross-entropy: minus the log-prob of the demonstrated token."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from etude.component import component
from etude.objective.token_loss.kind import DemonstrationLoss


@component()
@dataclass(frozen=True)
class Standard(DemonstrationLoss):
    """Every token costs its negative log-likelihood."""

    def loss(self, logprobs: Tensor) -> Tensor:
        """Return −ℓ, ``[N, T]``."""
        return -logprobs
