"""Guide-GRPO (arXiv 2506.13923): hinted answers to failed prompts teach the prompt without a hint.

    L = 1/tokens Σ_i Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2)),  A = (R − mean_g)/(std_g + ε)
    r = π_θ(y | x) / π_old(y | x, hint) for guided answers

The hint is the row's column ``hint``, or else the first half of its solution;
``objective/guidance=guide`` takes the column alone. Guide-PPO is
``objective=ppo objective/guidance=guide``.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Guidance
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2506.13923")
@dataclass(frozen=True)
class GuideGRPO(PolicyGradient):
    """GRPO where hinted answers to failed prompts teach the prompt without the hint."""

    guidance: Guidance = slot(
        "guide_or_solution", "how a step's groups come about: hints, demonstrations"
    )
