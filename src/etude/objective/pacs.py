"""PACS (arXiv 2509.02522): a classifier of right and wrong answers made of the policy itself.

    L = (1/rows) Σ_i w_i·BCE(σ(ψ_i), y_i),  ψ_i = r̂_i − mean of the others,  r̂_i = Σ_t (ℓ − ℓ°)

No advantages, no clip and no KL. The paper writes the score against a reference model; its code
takes the sampling policy, as here, so that scores begin at 0 in every step.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2509.02522")
@dataclass(frozen=True)
class PACS(PolicyGradient):
    """Learns to tell right from wrong answers by their log-probs, as a supervised task."""

    advantage: Advantage = slot("none", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("pacs", "what is minimised for every token")
