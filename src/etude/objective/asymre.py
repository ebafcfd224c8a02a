"""AsymRE (arXiv 2506.20520): off-policy REINFORCE with a baseline below the group's mean.

    L = 1/tokens Σ_i Σ_t −A_i·ℓ_it / (1 + τ),  A = R − (mean_g − 0.1),  τ = 1

The loss is the one Trinity-RFT pairs it with, half of the paper's plain REINFORCE
(``objective/policy_loss=reinforce``).
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.20520")
@dataclass(frozen=True)
class AsymRE(PolicyGradient):
    """REINFORCE that leans towards good answers, for stale samples."""

    advantage: Advantage = slot("asymre", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("opmd", "what is minimised for every token")
