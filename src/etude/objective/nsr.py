"""NSR (arXiv 2506.01347): only wrong answers are learned from, each with advantage −1.

    L = 1/tokens Σ_i Σ_t max(r_it, clip(r_it, 0.8, 1.2)) − 0.001·H_it      over the wrong answers

Right answers have no part in loss or denominator, so the step does not shrink as accuracy rises.
What a wrong token loses in probability goes to the others as the policy ranks them, which keeps its
answers diverse. A step without a wrong answer makes no update.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, Regularizer, Selection
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.01347")
@dataclass(frozen=True)
class NSR(PolicyGradient):
    """Wrong answers alone, pushed down; right ones are left out."""

    advantage: Advantage = slot("signed", "how rewards become advantages")
    selection: Mapping[str, Selection] = slots(
        "wrong", doc="rows and tokens taken out after advantages"
    )
    regularizer: Mapping[str, Regularizer] = slots(
        "entropy", doc="terms added to the loss (kl, entropy)"
    )
