"""Mean over the tokens of each micro-batch: a fidelity option for codes that have it.

    Σ_micro share · [Σ m·L / Σ m]_micro       share: rows of the micro-batch / all rows, or 1/number

The result depends on how the update batch is cut. Trinity-RFT weighs micro-batches by their rows;
verl's older code weighs them alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component, option
from etude.objective.batch import Totals
from etude.objective.parts import Aggregation


@component(source="Trinity-RFT, chord_policy_loss.py")
@dataclass(frozen=True)
class MicroTokenMean(Aggregation):
    """Token means of micro-batches, which makes the result depend on their size."""

    words: ClassVar[str] = "mean over the tokens of each micro-batch, weighed by {weigh}"

    weigh: str = option(
        "rows",
        "what a micro-batch counts: rows (its share of all rows, Trinity-RFT) | alike (verl)",
        choices=("rows", "alike"),
    )

    def weights(self, mask: Tensor, totals: Totals, groups: Tensor | None = None) -> Tensor:
        """Return mask · share / (tokens of the micro-batch), ``[N, T]``."""
        rows = mask.shape[0] / max(totals.all_rows, 1)
        share = rows if self.weigh == "rows" else 1.0 / totals.micro_batches
        return mask * share / mask.sum().clamp(min=1)
