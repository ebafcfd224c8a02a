"""Cross-entropy: minus the log-prob of the demonstrated token."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component
from etude.objective.loss import TokenLoss
from etude.objective.token_loss.kind import DemonstrationLoss, Taught


@component()
@dataclass(frozen=True)
class Standard(DemonstrationLoss):
    """Every token costs its negative log-likelihood."""

    def loss(self, taught: Taught) -> TokenLoss:
        """Return −ℓ, ``[N, T]``."""
        return TokenLoss(-taught.logprobs)
