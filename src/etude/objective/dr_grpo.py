"""Dr. GRPO (arXiv 2503.20783): GRPO without its two biases.

    L = 1/(rows · L_max) Σ_i Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2)),  A_i = R_i − mean_g

The std is not divided by (no favour to easy or hard questions) and token losses are summed and
divided by a constant (no favour to long wrong answers). No KL, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, Aggregation
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2503.20783")
@dataclass(frozen=True)
class DrGRPO(PolicyGradient):
    """GRPO without division by the group's std and by the answer's length."""

    advantage: Advantage = slot("dr_grpo", "how rewards become advantages")
    aggregation: Aggregation = slot("fixed_length", "how token losses become one number")
