"""Supervised fine-tuning: cross-entropy on demonstrations (recipe of arXiv 2510.00237).

Choose ``objective/token_loss=dft`` or ``aft`` to weigh tokens by their probability. What matters
more than the loss is the data: several phrasings of the instruction, and worked solutions.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component
from etude.objective.supervised import SUPERVISED_NEEDS, Supervised


@component(source="arXiv 2510.00237", requires=SUPERVISED_NEEDS)
@dataclass(frozen=True)
class SFT(Supervised):
    """Supervised fine-tuning on demonstrations, the prompt masked out."""
