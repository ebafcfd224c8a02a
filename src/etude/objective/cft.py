"""Critique fine-tuning (arXiv 2506.03295, on one problem; 2501.17703): learn to criticise.

    L = 1/tokens Σ_i Σ_t −ℓ_it        over the tokens of a critique, the end-of-text token included

The context is a question with somebody's solution, the demonstration is a teacher's critique of
it, and nothing of the context is trained. The loss is plain supervised learning; the method is its
data (``data_mix=critiques``, or ``arithmetic_critiques``): many solutions to few problems, right
and wrong, and critiques whose verdict agrees with the check of the solution. The trained model is
asked to solve, not to criticise. Rows that are too long are dropped, never cut
(``training.too_long=drop``): a critique without its end has no verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import Need, component
from etude.objective.supervised import SUPERVISED_NEEDS, Supervised


@component(
    source="arXiv 2506.03295",
    requires=(*SUPERVISED_NEEDS, Need("column:critique", why="which is what it learns")),
)
@dataclass(frozen=True)
class CFT(Supervised):
    """Supervised learning of critiques of right and wrong solutions."""

    example: ClassVar[str] = "recipe=sft objective=cft data_mix=arithmetic_critiques"
