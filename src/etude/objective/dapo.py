"""DAPO (arXiv 2503.14476): GRPO with clip-higher, token mean, dynamic sampling and care for length.

    L = 1/tokens Σ_i Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.28)),  A = (R − mean_g)/(std_g + ε)

Groups without signal are replaced by new samples, the reward falls over the last fifth of the
response limit, and truncated answers are not trained on. No KL, as in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import GroupFilter, Masking, PolicyLoss, Shaping
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2503.14476")
@dataclass(frozen=True)
class DAPO(PolicyGradient):
    """Clip-higher, token mean, dynamic sampling, overlong filtering and punishment."""

    shaping: Mapping[str, Shaping] = slots(
        "soft_overlong", doc="changes to rewards before advantages"
    )
    filter: GroupFilter = slot("dynamic_sampling", "which prompt groups are trained on")
    masking: Mapping[str, Masking] = slots(
        "overlong_filter", doc="rows and tokens taken out of the loss"
    )
    policy_loss: PolicyLoss = slot("clip_higher", "what is minimised for every token")
