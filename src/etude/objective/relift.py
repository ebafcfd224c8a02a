"""ReLIFT (arXiv 2506.07527): reinforcement, interleaved with fine-tuning on the hardest questions.

    L = −1/T_max Σ_i Σ_t A_i·r_it − 0.001·mean H,   A_i = R_i − mean_g,   r = exp(ℓ − ℓ°)

as in the released setting: no clip, no std, and the sum over all tokens divided by the response
limit. Questions that nobody in the group solved are learned from their worked solutions in updates
of their own (the part ``extra_update``), with a second optimizer. No KL, as in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, Aggregation, Auxiliary, ExtraUpdate, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.07527")
@dataclass(frozen=True)
class ReLIFT(PolicyGradient):
    """RL beside which unsolved questions are learned from their worked solutions."""

    advantage: Advantage = slot("dr_grpo", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("unclipped", "what is minimised for every token")
    aggregation: Aggregation = slot("seq_mean_token_sum_norm", "how token losses become one number")
    auxiliary: Mapping[str, Auxiliary] = slots(
        "token_mean_entropy", doc="losses beside the policy loss"
    )
    extra_update: Mapping[str, ExtraUpdate] = slots(
        "relift", doc="updates after the main one of a step"
    )
