"""Sum over all tokens divided by a constant length: ΣΣ m·L / (rows · L) (Dr. GRPO, 2503.20783).

The length is a constant, so neither long nor short answers are favoured; by default it is the
longest response that the step allows, never the padded width of a batch. verl's form of this mode
does not divide by the number of rows (the preset ``seq_mean_token_sum_norm``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component, option
from etude.objective.batch import Totals
from etude.objective.parts import Aggregation


@component(source="arXiv 2503.20783")
@dataclass(frozen=True)
class FixedLength(Aggregation):
    """Every token weighs the same constant, whatever the lengths of the rows."""

    words: ClassVar[str] = (
        "sum over tokens ÷ [divide_by_rows?({all_rows} × ][{length}|{max_new_tokens}] tokens"
        "[divide_by_rows?)]"
    )

    length: int | None = option(
        None, "the constant length; null: the longest response of the step", ge=1
    )
    divide_by_rows: bool = option(True, "divide by the number of rows too (false: verl's form)")
    count_empty_rows: bool = option(
        False, "count rows without a trained token among the rows, as TRL does"
    )

    def weights(self, mask: Tensor, totals: Totals, groups: Tensor | None = None) -> Tensor:
        """Return mask / (rows · length), or mask / length, ``[N, T]``."""
        rows = totals.all_rows if self.count_empty_rows else totals.rows
        length = self.length if self.length is not None else max(totals.width, 1)
        return mask / (length * (max(rows, 1) if self.divide_by_rows else 1))
