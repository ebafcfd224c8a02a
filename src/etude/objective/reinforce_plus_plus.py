"""REINFORCE++ (arXiv 2501.03262): token returns whitened over the whole batch, in a clipped ratio.

    L = 1/tokens Σ_i Σ_t max(−A_it·r_it, −A_it·clip(r_it, 0.8, 1.2))
    A = whiten(Σ_{s≥t} γ^{s−t} r_s)

No group is needed: one answer a prompt will do. The paper's KL penalty in the token rewards is
``objective/shaping=[kl_penalty]``; it is off here because it needs a second model.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2501.03262")
@dataclass(frozen=True)
class ReinforcePlusPlus(PolicyGradient):
    """Token returns whitened over the batch, clipped ratio, no critic and no groups."""

    advantage: Advantage = slot("reinforce_plus_plus", "how rewards become advantages")
