"""CISPO (MiniMax-M1, arXiv 2506.13585): clipped importance weights, no token without gradient.

    L = 1/tokens Σ_i Σ_t −sg[min(r_it, 5)]·A_i·ℓ_it,  A = (R − mean_g)/(std_g + ε)

The bound 5 is that of TRL's recipe. No KL, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.13585")
@dataclass(frozen=True)
class CISPO(PolicyGradient):
    """Group-relative REINFORCE with clipped, detached importance weights."""

    policy_loss: PolicyLoss = slot("cispo", "what is minimised for every token")
