"""GRPO with an entropy bonus that holds the entropy (arXiv 2507.20150, 2505.22312).

    L = 1/tokens Σ_i Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2)) − c·H_it

c grows while the entropy of a step is below the target, falls above it and is not applied there.
With ``objective/regularizer=[entropy]`` c is constant; that part joins every other objective too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slots
from etude.objective.parts import Regularizer
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2507.20150")
@dataclass(frozen=True)
class EntropyRegularisation(PolicyGradient):
    """Group-relative advantages, clipped ratio, and an entropy bonus with a target."""

    regularizer: Mapping[str, Regularizer] = slots(
        "entropy_adaptive", doc="terms added to the loss (kl, entropy)"
    )
