"""RLOO (arXiv 2402.14740): REINFORCE whose baseline is the mean reward of the other answers.

    L = mean_i max(−A_i·s_i, −A_i·clip(s_i, 0.8, 1.2)),  A_i = R_i − mean_{j≠i} R_j,  s_i = π/π_old

A whole answer is one action, as in the paper; the clip is TRL's and is without effect while each
rollout batch is used once (s = 1). The paper's KL penalty in the reward is
``objective/shaping=[kl_penalty]``.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, Aggregation, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2402.14740")
@dataclass(frozen=True)
class RLOO(PolicyGradient):
    """REINFORCE with a leave-one-out baseline; the whole answer is one action."""

    advantage: Advantage = slot("rloo", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("sequence_clipped", "what is minimised for every token")
    aggregation: Aggregation = slot("seq_mean_token_sum", "how token losses become one number")
