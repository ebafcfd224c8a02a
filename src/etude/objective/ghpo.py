"""GHPO (arXiv 2507.10628): GRPO where a prompt nobody solves is asked again with a hint.

    L = 1/tokens Σ_i Σ_t max(−A_i·r_it, −A_i·clip(r_it, 0.8, 1.2)),  A = (R − mean_g)/(std_g + 1e-4)

The group of a hinted prompt is trained in the hinted prompt. Without a difficult prompt this is
GRPO with the mean over all tokens, to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.parts import Advantage, Guidance
from etude.objective.policy_gradient import PolicyGradient


@component(source="arXiv 2507.10628")
@dataclass(frozen=True)
class GHPO(PolicyGradient):
    """GRPO with hints where a prompt is too hard: part of the solution in the prompt."""

    guidance: Guidance = slot("hints", "how a step's groups come about: hints, demonstrations")
    advantage: Advantage = slot("grpo_trl", "how rewards become advantages")
