"""REINFORCE++-baseline (arXiv 2501.03262): the group's mean off, then whitened over the batch.

    L = 1/tokens Σ_i Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2)),  A = whiten(R_i − mean_g)

The scale comes from the whole batch, so a group with little spread is not blown up. The paper's
KL term (k2) is ``objective/regularizer=[kl]`` with ``objective.regularizer.kl.estimator=k2``.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2501.03262")
@dataclass(frozen=True)
class ReinforcePlusPlusBaseline(PolicyGradient):
    """Group mean as baseline, whitened over the batch, clipped ratio."""

    advantage: Advantage = slot("reinforce_plus_plus_baseline", "how rewards become advantages")
