"""Mean over all tokens of the update batch: Σ m·L / Σ m (DAPO, PPO)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import component
from etude.objective.batch import Totals
from etude.objective.parts import Aggregation


@component(source="arXiv 2503.14476")
@dataclass(frozen=True)
class TokenMean(Aggregation):
    """Every token of the update batch weighs the same."""

    words: ClassVar[str] = "sum over the tokens of {all_rows} ÷ their number"

    def weights(self, mask: Tensor, totals: Totals, groups: Tensor | None = None) -> Tensor:
        """Return mask / tokens, ``[N, T]``."""
        return mask / max(totals.tokens, 1)
