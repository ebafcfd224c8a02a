"""Advantage-weighted learning of sampled answers (arXiv 2406.14532): imitate steps that help.

    L = −1/tokens Σ_i Σ_t min(exp(A/β), cap)·ℓ_it,  A the advantage of the token's step

The weights are constants and do not count in the denominator, so that steps which help nobody only
lose weight. With every A = 0 it is supervised fine-tuning on the samples. It is the other form of
learning from per-step negatives (``objective=dpo`` on ``objective=step_pairs``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component, slot
from etude.objective.batch import SupervisedBatch
from etude.objective.supervised import Supervised
from etude.objective.token_weights.kind import TokenWeights


@component(source="arXiv 2406.14532")
@dataclass(frozen=True)
class AdvantageWeighted(Supervised):
    """Cross-entropy weighted by what each step adds to the chance of a right answer."""

    example: ClassVar[str] = "recipe=per_step_negatives/weighted"

    weights_divide: ClassVar[bool] = False

    token_weights: TokenWeights = slot("step_advantages", "how much each demonstrated token counts")

    def weights(self, batch: SupervisedBatch, mask: Tensor) -> Tensor:
        """Return what multiplies the loss of every token, ``[N, T]``: weights over plain counts."""
        plain = super().weights(dataclasses.replace(batch, weights=None), mask)
        return plain if batch.weights is None else plain * batch.weights.to(mask.dtype)
