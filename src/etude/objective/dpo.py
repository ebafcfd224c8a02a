"""DPO (arXiv 2305.18290): pairs of answers, held to the model the stage started from.

    L = −1/pairs Σ log σ(β·[Σ_t (ℓ − ℓʳ)_chosen − Σ_t (ℓ − ℓʳ)_rejected])

The rejected answer may be cut after the step that ruins it (arXiv 2406.14532): see
``objective=step_pairs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component
from etude.objective.preference import PREFERENCE_NEEDS, Preference


@component(source="arXiv 2305.18290", requires=PREFERENCE_NEEDS)
@dataclass(frozen=True)
class DPO(Preference):
    """Direct preference optimisation on rows with a chosen and a rejected answer."""

    example: ClassVar[str] = "recipe=per_step_negatives"
