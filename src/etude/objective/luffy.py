"""LUFFY (arXiv 2504.14945): a demonstration in every group, its probabilities bent.

    L = 1/T Σ_i Σ_t −A_i·r_it (own) or −A_i·p_it/(p_it + 0.1) (demonstrated)  −  0.001·mean entropy
    A_i = R_i − mean_g, demonstrations among the group

T is the response limit, and nothing divides by rows, as in the released script; the paper keeps
the clip (``objective.policy_loss.clip=0.2``) and divides by all tokens
(``objective/aggregation=token_mean``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, Aggregation, Auxiliary, Guidance, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2504.14945")
@dataclass(frozen=True)
class Luffy(PolicyGradient):
    """Groups with a demonstration, whose tokens are weighed by their bent probability."""

    guidance: Guidance = slot(
        "demonstrations", "how a step's groups come about: hints, demonstrations"
    )
    advantage: Advantage = slot("dr_grpo", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("luffy", "what is minimised for every token")
    aggregation: Aggregation = slot("seq_mean_token_sum_norm", "how token losses become one number")
    auxiliary: Mapping[str, Auxiliary] = slots(
        "token_mean_entropy", doc="losses beside the policy loss"
    )
