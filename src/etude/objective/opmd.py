"""OPMD (Kimi k1.5, arXiv 2501.12599, as simplified by Trinity-RFT): mirror descent online.

    L = 1/tokens Σ_i Σ_t −A_i·ℓ_it / (1 + τ),  A = R − mean_g

From max E[R] − τ·KL(π‖π_old). The penalised forms are ``objective/policy_loss=opmd_kimi`` and
``objective/policy_loss=opmd_pairwise``; the exact baseline is
``objective.advantage.baseline=logavgexp``.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2501.12599")
@dataclass(frozen=True)
class OPMD(PolicyGradient):
    """Online mirror descent: REINFORCE with a group baseline, damped by a temperature."""

    advantage: Advantage = slot("opmd", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("opmd", "what is minimised for every token")
