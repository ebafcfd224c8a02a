"""Truncated wrong answers teach nothing (rLLM's mask_truncated_samples, as in DeepCoder).

After the statistics of a group were taken with them, the advantage of a row is 0 where its reward
is 0 (or less) and it fills the longest response the step allows; a truncated answer that is right
keeps its advantage. Their tokens go on counting in denominators, where ``overlong_filter`` takes
truncated rows, right ones too, out of the loss and its denominators.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from etude.component import Need, component
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, add_metrics, token_metric
from etude.objective.parts import Modifier


@component(
    source="https://github.com/agentica-project/rllm",
    requires=[Need("loss:tokenwise", why="because it drops the loss of single rows")],
)
@dataclass(frozen=True)
class TruncatedFailures(Modifier):
    """Gives truncated wrong answers no loss, while their rewards and tokens go on counting."""

    words: ClassVar[str] = "truncated wrong rows have no loss"

    def keeps(self, batch: LossBatch) -> Tensor:
        """Return 1 for each row that has a loss, 0 for the others, ``[N, 1]``."""
        assert batch.rewards is not None and batch.lengths is not None
        dropped = (batch.rewards <= 0) & (batch.lengths >= batch.totals.width)
        return (~dropped).to(batch.mask.dtype).unsqueeze(-1)

    def modify(
        self, tokens: TokenLoss, batch: LossBatch, forward: Forward, state: Any
    ) -> TokenLoss:
        """Return the losses with those of truncated wrong rows at 0."""
        keeps = self.keeps(batch)
        metrics = {
            "objective/truncated_failures": token_metric(
                (1 - keeps).expand_as(batch.mask), batch.mask
            )
        }
        return dataclasses.replace(
            tokens, loss=tokens.loss * keeps, metrics=add_metrics(tokens.metrics, metrics)
        )
