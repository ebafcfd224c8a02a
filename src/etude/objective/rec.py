"""REC (arXiv 2509.24203): group-relative REINFORCE, read as an off-policy method.

    L = 1/tokens Σ_i Σ_t (−w·ℓ·M + coef·regulariser),  A = R − mean_g

Plain by default: no clip, no weight, no regulariser. The named variants are choices of parts:
``objective/policy_loss=`` ``rec_one_side_is``, ``rec_one_side_no_is``, ``rec_two_side_is``,
``rec_ring_no_is``, ``red_weight``; ``objective/advantage=red_drop``.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2509.24203")
@dataclass(frozen=True)
class REC(PolicyGradient):
    """Group-relative REINFORCE with a choice of clip masks, weights and dropped samples."""

    advantage: Advantage = slot("rec", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("rec", "what is minimised for every token")
