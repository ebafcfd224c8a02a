"""PSR (arXiv 2506.01347): only right answers are learned, each with advantage 1.

    L = 1/tokens Σ_i Σ_t max(−r_it, −clip(r_it, 0.8, 1.2)) − 0.001·H_it      over the right answers

Wrong answers have no part in loss or denominator. A step without a right answer makes no update.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, Regularizer, Selection
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.01347")
@dataclass(frozen=True)
class PSR(PolicyGradient):
    """Right answers alone, pushed up; wrong ones are left out."""

    advantage: Advantage = slot("signed", "how rewards become advantages")
    selection: Mapping[str, Selection] = slots(
        "correct", doc="rows and tokens taken out after advantages"
    )
    regularizer: Mapping[str, Regularizer] = slots(
        "entropy", doc="terms added to the loss (kl, entropy)"
    )
