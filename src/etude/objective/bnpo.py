"""BNPO (arXiv 2506.02864): group-centred rewards divided by a Beta density that adapts each step.

    L = mean_i Σ_t clipped(r_it, w_g·(s_i − p_g)),  clip (0.2, 0.28), dual clip 10

The aggregation sums over each answer and takes the mean over answers, as in the released script.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, Aggregation, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.02864")
@dataclass(frozen=True)
class BNPO(PolicyGradient):
    """Advantages normalised by the Beta density of each prompt's success rate."""

    advantage: Advantage = slot("bnpo", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("clip_higher", "what is minimised for every token")
    aggregation: Aggregation = slot("seq_mean_token_sum", "how token losses become one number")
