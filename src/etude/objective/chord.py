"""CHORD (arXiv 2508.11408): group-relative RL and imitation in one update, their balance scheduled.

    L = (1 − μ)·L_policy + μ·L_imitation,  both token means over the update batch
    L_policy = max(−A·r, −A·clip(r, 0.8, 1.2)), at most −3·A for A < 0
    A = (R − mean_g) / (std_g + ε)

The demonstrations and their weight μ are the part ``imitation``: by default CHORD-φ (μ constant at
0.1, tokens weighted by p(1 − p)); ``objective/imitation=chord_mu`` is CHORD-μ, whose weight decays
from 0.9. No KL, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Imitation, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2508.11408")
@dataclass(frozen=True)
class CHORD(PolicyGradient):
    """GRPO with demonstrations in every update, weighed by a schedule."""

    policy_loss: PolicyLoss = slot("dual_clip", "what is minimised for every token")
    imitation: Imitation = slot("chord", "demonstrations that join every update")
