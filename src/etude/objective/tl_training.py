"""TL-Training for tool use (arXiv 2412.15495), its supervised stage: learn calls, not mistakes.

    L = 1/rows Σ_i  Σ_t w_it·(−ℓ_it) / Σ_t w_it

The weights favour the tokens that decide which tool is called (``token_weights=key_tokens``), up to
nine times the others; the published code takes one row a device, so rows count alike. Turns whose
call failed are context and no demonstration: that is a filter of the data mix, which
``data_mix=trajectories`` and ``arithmetic_tools`` have. The method's second stage is reinforcement
learning with ``verifier=tool_call``, whose part ``tool_call`` grades a call by what is wrong with
it (``reward_weighting=tool_call``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option, slot
from etude.objective.supervised import DENOMINATOR, DENOMINATORS, SUPERVISED_NEEDS, Supervised
from etude.objective.token_weights.kind import TokenWeights


@component(source="arXiv 2412.15495", requires=SUPERVISED_NEEDS)
@dataclass(frozen=True)
class TLTraining(Supervised):
    """Supervised learning of tool calls, the tokens that decide on a tool weighed up."""

    example: ClassVar[str] = "recipe=sft objective=tl_training data_mix=arithmetic_tools"

    token_weights: TokenWeights = slot("key_tokens", "how much each demonstrated token counts")
    denominator: str = option("per_sequence", DENOMINATOR, choices=DENOMINATORS)
