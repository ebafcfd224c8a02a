"""The loss of a critic that predicts one number a token."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_value_loss(
    predicted: Tensor, old_values: Tensor, returns: Tensor, clip: float | None
) -> tuple[Tensor, Tensor]:
    """Return ``½·max((V − R)², (clip(V) − R)²)`` and where the clipped error won, both ``[N, T]``.

    ``clip(V)`` keeps the prediction within ± ``clip`` of ``old_values``; None clips nothing. The
    gradient is 0 where the clipped error wins and is saturated (arXiv 1707.06347, as in verl).
    """
    plain = (predicted - returns).square()
    if clip is None:
        return 0.5 * plain, torch.zeros_like(plain, dtype=torch.bool)
    bounded = torch.maximum(torch.minimum(predicted, old_values + clip), old_values - clip)
    clipped = (bounded - returns).square()
    return 0.5 * torch.maximum(plain, clipped), clipped > plain
