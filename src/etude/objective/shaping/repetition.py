"""Repetition penalty (MiroMind-M1's CAMPO, arXiv 2507.14683, §3): what loops until it is cut off.

    s_i = R_i − λ              where the limit ended answer i and it ends in a loop
    s_i = R_i − λ · share_i    with ``scaled``: share_i of the answer is the loop
    s_i = R_i                  otherwise

An answer that ended by itself is never punished. The statistics of a group are those of s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import component, option
from etude.errors import DataError
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Shaping
from etude.primitives.loops import looping_share


@component(source="arXiv 2507.14683")
@dataclass(frozen=True)
class Repetition(Shaping):
    """A penalty on answers that say the same over and over until the limit cuts them off."""

    words: ClassVar[str] = "a penalty of {coef} on loops"

    coef: float = option(0.1, "λ, what a looping answer loses", ge=0)
    scaled: bool = option(
        False, "true: λ times the share of the answer that is the loop; false: λ whole"
    )
    copies: int = option(2, "times a piece has to stand there in a row to be a loop", ge=2, le=1000)

    def shares(self, batch: RolloutBatch) -> Tensor:
        """Return which share of each cut answer is a loop, ``[N]`` float64, 0 of the others.

        Raises DataError where the rows come without their tokens.
        """
        if batch.tokens is None:
            raise DataError("a repetition penalty reads the tokens of the answers, and has none")
        found = [
            looping_share(row[:length], self.copies) if cut else 0.0
            for row, length, cut in zip(
                batch.tokens.tolist(), batch.lengths.tolist(), batch.truncated.tolist(), strict=True
            )
        ]
        return torch.tensor(found, dtype=torch.float64)

    def shape(self, batch: RolloutBatch, state: Any) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with the penalty added to each outcome."""
        shares = self.shares(batch)
        looping = (shares > 0).double()
        cost = self.coef * (shares if self.scaled else looping)
        rows = max(len(shares), 1)
        metrics = {
            "objective/looping_rows": float(looping.sum()) / rows,
            "objective/repetition_penalty": -float(cost.sum()) / rows,
        }
        return batch.add_outcome(-cost.to(batch.rewards)), metrics
