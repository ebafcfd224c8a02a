"""W-REINFORCE (arXiv 2506.01347): right answers count a tenth of wrong ones.

    L = 1/tokens Σ_i Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2)) − 0.001·H_it
    A = 0.1 if right else −1

There is no baseline: groups whose answers are all alike count too. The paper calls it REINFORCE;
its code, like this, clips the ratio. λ is ``objective.advantage.positive_weight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, Regularizer
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.01347")
@dataclass(frozen=True)
class WReinforce(PolicyGradient):
    """Right answers pushed up a little, wrong ones pushed down; no baseline."""

    advantage: Advantage = slot("signed_weighted", "how rewards become advantages")
    regularizer: Mapping[str, Regularizer] = slots(
        "entropy", doc="terms added to the loss (kl, entropy)"
    )
