"""KL-Cov (arXiv 2505.22617): GRPO without a clip that holds its entropy-killing tokens in place.

    L = 1/tokens Σ_i Σ_t −A_i·r_it + s_it·|ℓ_it − ℓ°_it|,  A = (R − mean_g)/(std_g + ε)

s is 1 on the tokens whose advantage and log-prob are highest together, else 0. Groups without
signal are replaced by new samples, as in the scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import GroupFilter, Modifier, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2505.22617")
@dataclass(frozen=True)
class KLCovObjective(PolicyGradient):
    """Group-relative advantages, no clip, and a penalty on tokens of the highest covariance."""

    filter: GroupFilter = slot("dynamic_sampling", "which prompt groups are trained on")
    policy_loss: PolicyLoss = slot("unclipped", "what is minimised for every token")
    modifier: Mapping[str, Modifier] = slots("kl_cov", doc="changes to single token losses")
