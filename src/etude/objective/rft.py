"""Rejection-sampling fine-tuning as one policy-gradient step (RAFT, arXiv 2304.06767, 2504.11343).

    L = −1/tokens Σ_i Σ_t ℓ_it      over the tokens of the right answers of the update batch

The policy's own right answers are imitated; wrong ones have no part in loss or denominator. With
``objective/selection=[best]`` only the best answer to each prompt is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, PolicyLoss, Selection
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2304.06767")
@dataclass(frozen=True)
class RFT(PolicyGradient):
    """Cross-entropy on the right answers alone, each token of them alike."""

    advantage: Advantage = slot("constant", "how rewards become advantages")
    selection: Mapping[str, Selection] = slots(
        "correct", doc="rows and tokens taken out after advantages"
    )
    policy_loss: PolicyLoss = slot("reinforce", "what is minimised for every token")
