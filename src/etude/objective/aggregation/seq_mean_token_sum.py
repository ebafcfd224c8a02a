"""Sum over each row's tokens, mean over rows: mean_i [Σ_t m·L] (REINFORCE, RLOO)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component, option
from etude.objective.batch import Totals
from etude.objective.parts import Aggregation


@component(source="Williams 1992")
@dataclass(frozen=True)
class SequenceMeanTokenSum(Aggregation):
    """Every token weighs one part in the number of rows, so long rows weigh more."""

    words: ClassVar[str] = "sum over each row's tokens, mean over {all_rows}"

    count_empty_rows: bool = option(
        False, "count rows without a trained token in the mean over rows, as TRL does"
    )

    def weights(self, mask: Tensor, totals: Totals, groups: Tensor | None = None) -> Tensor:
        """Return mask / rows, ``[N, T]``."""
        rows = totals.all_rows if self.count_empty_rows else totals.rows
        return mask / max(rows, 1)
