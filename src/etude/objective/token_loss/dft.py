"""Dynamic fine-tuning (arXiv 2508.05629): cross-entropy weighted by the token's probability.

    −ℓ · (floor + sg[p]),  p = exp(ℓ)

The weight cancels the 1/p of the cross-entropy's gradient; the floor (1e-4) keeps tokens that the
model finds impossible from vanishing.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, option
from etude.objective.loss import TokenLoss
from etude.objective.token_loss.kind import DemonstrationLoss, Taught


@component(source="arXiv 2508.05629")
@dataclass(frozen=True)
class DFT(DemonstrationLoss):
    """Negative log-likelihood times the token's own detached probability."""

    floor: float = option(1e-4, "added to the probability", ge=0)

    def loss(self, taught: Taught) -> TokenLoss:
        """Return −ℓ·(floor + sg[p]), ``[N, T]``."""
        return TokenLoss(-taught.logprobs * (self.floor + taught.logprobs.detach().exp()))
