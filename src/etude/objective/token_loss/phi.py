"""The φ-weighted cross-entropy of CHORD (arXiv 2508.11408), for supervised stages of their own.

    −min(ℓ, log cutoff) · sg[p·(1 − p)],  p = exp(ℓ)

Tokens the model already knows (p → 1) and tokens it finds impossible (p → 0) are left alone. With
``cutoff`` below 1 tokens more likely than that have no gradient at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from etude.component import component, option
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.token_loss.kind import DemonstrationLoss, Taught
from etude.primitives.certainty import phi_of


@component(source="arXiv 2508.11408")
@dataclass(frozen=True)
class Phi(DemonstrationLoss):
    """Negative log-likelihood that counts most where the model is undecided."""

    cutoff: float = option(
        1.0, "tokens more likely than this are not taught; 1: all are", gt=0, le=1
    )

    def loss(self, taught: Taught) -> TokenLoss:
        """Return −min(ℓ, log cutoff)·sg[p(1 − p)], ``[N, T]``."""
        phi = phi_of(taught.logprobs)
        loss = -taught.logprobs.clamp(max=math.log(self.cutoff)) * phi
        return TokenLoss(loss, {"objective/phi": token_metric(phi, taught.mask)})
