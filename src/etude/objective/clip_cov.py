"""Clip-Cov (arXiv 2505.22617): GRPO that lets a few entropy-killing tokens go untaught.

    L = 1/tokens Σ_i Σ_t κ_it · max(−A_i·r_it, −A_i·clip(r_it, 0, 2)),  A = (R − mean_g)/(std_g + ε)

κ is 0 on a small random share of the tokens whose advantage and log-prob are high together, else 1.
The clip is wide, and groups without signal are replaced by new samples, as in the scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import GroupFilter, Modifier, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2505.22617")
@dataclass(frozen=True)
class ClipCovObjective(PolicyGradient):
    """Group-relative advantages, a wide clip, and no loss on some tokens of high covariance."""

    filter: GroupFilter = slot("dynamic_sampling", "which prompt groups are trained on")
    policy_loss: PolicyLoss = slot("clip_wide", "what is minimised for every token")
    modifier: Mapping[str, Modifier] = slots("clip_cov", doc="changes to single token losses")
