"""The squared error of a critic that predicts one number (arXiv 1707.06347).

    L = ½·max((V − R)², (clip(V, V° ± clip) − R)²)

No gradient where the clipped error is the larger one and is saturated. The clip bounds how far a
value moves from what it was at sampling; null leaves the plain ½·(V − R)².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import component, option
from etude.objective.batch import LossBatch
from etude.objective.critic.kind import CriticLoss
from etude.objective.loss import TokenLoss, token_metric
from etude.primitives.masked import as_float
from etude.primitives.value import clipped_value_loss


@component(source="arXiv 1707.06347")
@dataclass(frozen=True)
class SquaredError(CriticLoss):
    """Half the squared error, clipped around the values before the update."""

    words: ClassVar[str] = "squared error[ clipped at {clip}]"

    clip: float | None = option(
        0.2, "how far a value may move before it is clipped (verl 0.5); null: no clip", gt=0
    )

    @property
    def places(self) -> Tensor:
        """Return ``[0.]``: the one output is the value itself."""
        return torch.zeros(1, dtype=torch.float64)

    def values(self, outputs: Tensor) -> Tensor:
        """Return the value of every token, ``[N, T]``."""
        return as_float(outputs).squeeze(-1)

    def losses(self, outputs: Tensor, targets: Tensor, batch: LossBatch) -> TokenLoss:
        """Return the loss of every token."""
        assert batch.values is not None  # narrows the type; the critic has looked
        losses, clipped = clipped_value_loss(self.values(outputs), batch.values, targets, self.clip)
        return TokenLoss(losses, {"critic/clip_fraction": token_metric(clipped, batch.mask)})
