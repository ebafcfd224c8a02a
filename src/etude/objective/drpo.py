"""DRPO (arXiv 2510.04474): right answers are compared with each other, not with wrong ones.

    L = −(1/Q) Σ_q (mean score of right answers, short ones first − soft maximum of wrong ones)
        + squared hinge on the KL to the sampling policy

No advantages and no clip. The published runs keep one pass over the batch in several updates
(``training.updates_per_step=4``) and sample at temperature 0.6.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2510.04474")
@dataclass(frozen=True)
class DRPO(PolicyGradient):
    """Discriminates right from wrong answers, and prefers short ones among the right."""

    advantage: Advantage = slot("none", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("drpo", "what is minimised for every token")
