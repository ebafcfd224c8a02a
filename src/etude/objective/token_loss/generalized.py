"""Generalised cross-entropy (arXiv 1805.07836): between cross-entropy and mean absolute error.

    (1 − p^q) / q,  p = exp(ℓ)

The closer q comes to 0 the closer the loss comes to −ℓ; at q = 1 it is 1 − p, which wrong
demonstrations pull at less. The published code of TL-Training (arXiv 2412.15495) has it as an
alternative to the cross-entropy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from etude.component import component, option
from etude.objective.loss import TokenLoss
from etude.objective.token_loss.kind import DemonstrationLoss, Taught


@component(source="arXiv 1805.07836")
@dataclass(frozen=True)
class Generalized(DemonstrationLoss):
    """Loss that a noisy demonstration pulls at less than at the cross-entropy."""

    q: float = option(0.7, "0: nearly the cross-entropy, 1: mean absolute error", gt=0, le=1)

    def loss(self, taught: Taught) -> TokenLoss:
        """Return (1 − p^q)/q, ``[N, T]``."""
        return TokenLoss(-torch.expm1(self.q * taught.logprobs) / self.q)
