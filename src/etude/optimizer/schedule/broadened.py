"""A constant rate for a batch of another size: the root of the growth (BroRL, arXiv 2510.01180).

lr ← lr · √(rows / rows_before)      rows: answers of a step, prompts × rollouts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.optimizer.schedule.shape import Schedule


@component(source="arXiv 2510.01180")
@dataclass(frozen=True)
class Broadened(Schedule):
    """The peak rate, chosen for steps of other size, times the root of how much larger they are."""

    words: ClassVar[str] = "constant × √({rows} ÷ {rows_before} rows)"

    rows_before: int = option(
        8192, "answers of a step that the rate was chosen for (the paper: 512 × 16)", ge=1
    )
    rows: int = option(65536, "answers of a step now (the paper: 128 × 512)", ge=1)

    def factor(self, step: int, steps: int) -> float:
        """Return what the peak rate is multiplied by in a step."""
        return float(super().factor(step, steps) * (self.rows / self.rows_before) ** 0.5)
