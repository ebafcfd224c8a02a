"""GRPO (DeepSeekMath, arXiv 2402.03300): group-relative advantages in a clipped ratio.

    L = mean_i (1/|o_i|) Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2))
    A_i = (R_i − mean_g) / (std_g + ε)

Each answer weighs the same, as in the paper; ``objective/aggregation=token_mean`` is the default
of most frameworks. The paper's KL term (k3, 0.04) is ``objective/regularizer=[kl]``; it is off
here, as in TRL, because it needs a second model.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Aggregation
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2402.03300")
@dataclass(frozen=True)
class GRPO(PolicyGradient):
    """Group-relative advantages, clipped ratio, every answer weighs the same."""

    aggregation: Aggregation = slot("seq_mean_token_mean", "how token losses become one number")
