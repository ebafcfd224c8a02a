"""Soft overlong punishment (DAPO, arXiv 2503.14476), added to the outcome.

0                                          |o| ≤ L_max − L_buf
(L_max − L_buf − |o|) / L_buf · factor     inside the buffer
−factor                                    beyond L_max
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Rule, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Shaping


@component(source="arXiv 2503.14476")
@dataclass(frozen=True)
class SoftOverlong(Shaping):
    """A penalty that grows over the last tokens before the response limit."""

    words: ClassVar[str] = "soft overlong punishment up to {factor}"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "buffer_length <= max_length",
            "is {buffer_length}, above {path}.max_length={max_length}: every answer is too long.",
        ),
        Rule(
            "max_length != null or buffer_length <= stage.rollout.max_new_tokens",
            "is {buffer_length}, above rollout.max_new_tokens={stage.rollout.max_new_tokens}: "
            "every answer is too long.",
            key="buffer_length",
        ),
    )

    max_length: int | None = option(
        None, "L_max in tokens; null: the longest response of the step", ge=1
    )
    buffer_length: int | None = option(
        None, "L_buf in tokens; null: a fifth of L_max (the paper: 4096 of 20480)", ge=1
    )
    factor: float = option(1.0, "the penalty at L_max", ge=0)

    def penalty(self, lengths: Tensor | Sequence[int], width: int) -> Tensor:
        """Return what is added to the rewards of rows of the given lengths, ``[N]``, at most 0."""
        longest = self.max_length if self.max_length is not None else width
        buffer = self.buffer_length if self.buffer_length is not None else max(longest // 5, 1)
        over = torch.as_tensor(lengths, dtype=torch.float64) - (longest - buffer)
        return -(over / buffer).clamp(0.0, 1.0) * self.factor

    def shape(self, batch: RolloutBatch, state: Any) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with the penalty added to each outcome."""
        penalty = self.penalty(batch.lengths, batch.width).to(batch.rewards)
        metrics = {"objective/overlong_penalty": float(penalty.mean()) if penalty.numel() else 0.0}
        return batch.add_outcome(penalty), metrics
