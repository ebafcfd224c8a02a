"""TW-GRPO (arXiv 2505.24718): GRPO that looks where its answers part ways.

    L = 1/tokens Σ_i Σ_t w_t·max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.28))
    A = (R − mean_g) / (std_g + ε)

w is between 1 and 1.7, by how much the next-token distributions of a prompt's answers differ at
the position. ε is 1e-4. The paper's graded reward for questions with several right choices is
``verifier=choices reward_weighting=choices``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, slot, slots
from etude.objective.parts import Advantage, Modifier, PolicyLoss
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2505.24718")
@dataclass(frozen=True)
class TWGRPO(PolicyGradient):
    """Group-relative advantages, with more weight where the group's answers disagree."""

    advantage: Advantage = slot("grpo_trl", "how rewards become advantages")
    policy_loss: PolicyLoss = slot("clip_higher_plain", "what is minimised for every token")
    modifier: Mapping[str, Modifier] = slots("tw_grpo", doc="changes to single token losses")
