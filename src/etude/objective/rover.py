"""ROVER (arXiv 2509.24981): value the random policy, and let the model be its softmax.

    L = 1/tokens Σ (Q − sg[r̃ + V])²,  Q = ℓ − ℓ°,  r̃ = R − mean_g

No ratio, no clip and no KL. The Countdown code centres rewards, as here; the math script divides
by the group's std too (``objective/advantage=grpo``).
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2509.24981")
@dataclass(frozen=True)
class ROVER(PolicyGradient):
    """Temporal differences of log-ratios, regressed on centred rewards."""

    advantage: Advantage = slot("dr_grpo", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("rover", "what is minimised for every token")
