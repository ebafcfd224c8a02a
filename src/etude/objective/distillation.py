"""Distillation (arXiv 2505.14216; 2306.02707): learn from a teacher's text, or from its logits.

    L = 1/tokens Σ_i Σ_t  α·τ²·KL(teacher ‖ student)_it + (1 − α)·(−ℓ_it)

With α = 0, the default, it is supervised learning of what a teacher wrote
(``data_mix=arithmetic_teacher``, or the rows of a ``generate`` stage); which of it is kept is up to
the filter of the data mix. With α > 0 the student also matches the distributions of a model of its
own tokenizer (``models.teacher=FOLDER objective.token_loss.alpha=0.5``). Whether a teacher brought
new abilities or only a habit shows in the evaluation: avg@k is the accuracy, pass@k of all k tries
the capability.
"""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, slot
from etude.objective.supervised import SUPERVISED_NEEDS, Supervised
from etude.objective.token_loss.kind import DemonstrationLoss


@component(source="arXiv 2505.14216", requires=SUPERVISED_NEEDS)
@dataclass(frozen=True)
class Distillation(Supervised):
    """Supervised learning of a teacher's text, and of its distributions where alpha is above 0."""

    token_loss: DemonstrationLoss = slot("distilled", "what one demonstrated token costs")
