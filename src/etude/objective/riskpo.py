"""RiskPO (arXiv 2510.00911): the mixed value at risk of bundles of prompts, in a clipped ratio.

    L = 1/tokens Σ_i Σ_t clipped(r_it, A_i),  clip (0.2, 0.2), dual clip 3

The advantage carries quantiles from step to step; ``objective/advantage=riskpo_sum_mean`` is the
credit of the released script for DAPO-MATH.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2510.00911")
@dataclass(frozen=True)
class RiskPO(PolicyGradient):
    """Risk-averse advantages of bundles of prompts, clipped ratio with a dual clip."""

    advantage: Advantage = slot("riskpo", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("dual_clip", "what is minimised for every token")
