"""Mean over each row's tokens, then over rows: mean_i [Σ_t m·L / |o_i|] (GRPO's paper, GSPO)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component, option
from etude.objective.batch import Totals
from etude.objective.parts import Aggregation


@component(source="arXiv 2402.03300")
@dataclass(frozen=True)
class SequenceMeanTokenMean(Aggregation):
    """Every row weighs the same, and so does every token of a row."""

    words: ClassVar[str] = "mean over each row's tokens, then over {all_rows}"

    count_empty_rows: bool = option(
        False, "count rows without a trained token in the mean over rows, as TRL does"
    )

    def weights(self, mask: Tensor, totals: Totals, groups: Tensor | None = None) -> Tensor:
        """Return mask / (row length · rows), ``[N, T]``."""
        rows = totals.all_rows if self.count_empty_rows else totals.rows
        return mask / (mask.sum(-1, keepdim=True).clamp(min=1) * max(rows, 1))
