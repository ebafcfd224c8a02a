"""Focal weighting of demonstrations (``aft`` in the code of arXiv 2510.00237).

    −ℓ · (1 − sg[p])^power,  p = exp(ℓ)

Tokens the model already knows cost less; power 0 is the plain cross-entropy.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, option
from etude.objective.loss import TokenLoss
from etude.objective.token_loss.kind import DemonstrationLoss, Taught


@component(source="arXiv 2510.00237")
@dataclass(frozen=True)
class AFT(DemonstrationLoss):
    """Negative log-likelihood times a power of the detached probability of being wrong."""

    power: float = option(1.0, "exponent of 1 - p", ge=0)

    def loss(self, taught: Taught) -> TokenLoss:
        """Return −ℓ·(1 − sg[p])^power, ``[N, T]``."""
        missing = (1.0 - taught.logprobs.detach().exp()).clamp(min=0.0)
        return TokenLoss(-taught.logprobs * missing.pow(self.power))
