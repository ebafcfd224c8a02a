"""GSPO (arXiv 2507.18071): the ratio of whole sequences is clipped, in a very narrow band.

    L = mean_i max(−A_i·s_i, −A_i·clip(s_i, 1 − 3e-4, 1 + 4e-4)),  s_i = exp(mean_t (ℓ − ℓ°))

The sequence is the unit that is rewarded, so it is the unit that is weighted and clipped. No KL.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Aggregation, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2507.18071")
@dataclass(frozen=True)
class GSPO(PolicyGradient):
    """Group-relative advantages with a clipped ratio of whole sequences."""

    policy_loss: PolicyLoss = slot("gspo", "what is minimised for every token")
    aggregation: Aggregation = slot("seq_mean_token_mean", "how token losses become one number")
