"""REINFORCE (Williams 1992): log-prob times reward, summed over each answer, mean over answers.

    L = mean_i Σ_t −(R_i − b)·ℓ_it

No ratio, no clip, no group; ``objective.advantage.baseline`` is b.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, Aggregation, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="Williams 1992")
@dataclass(frozen=True)
class Reinforce(PolicyGradient):
    """The plain policy gradient: the reward times the log-prob of the answer."""

    advantage: Advantage = slot("reinforce", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("reinforce", "what is minimised for every token")
    aggregation: Aggregation = slot("seq_mean_token_sum", "how token losses become one number")
