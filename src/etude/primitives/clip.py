"""The clipped surrogate of PPO and its variants, for ratios of tokens or of sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Surrogate:
    """A clipped loss and where each clip won: ``high``, ``low`` and ``dual`` are boolean."""

    loss: Tensor
    high: Tensor
    low: Tensor
    dual: Tensor


def clipped_surrogate(
    ratio: Tensor,
    advantages: Tensor,
    *,
    low: float,
    high: float,
    dual: float | None = None,
    delta: float | None = None,
) -> Surrogate:
    """Return ``max(−A·r, −A·clip(r, 1 − low, 1 + high))`` elementwise (arXiv 1707.06347).

    ``dual`` caps the loss of a negative advantage at ``−A·dual`` (arXiv 1912.09729); the gradient
    is 0 beyond. ``delta`` caps the ratio of the unclipped branch instead (TRL).
    """
    unclipped = ratio if delta is None else ratio.clamp(max=delta)
    plain = -advantages * unclipped
    bounded = -advantages * ratio.clamp(1.0 - low, 1.0 + high)
    loss = torch.maximum(plain, bounded)
    won = bounded > plain
    capped = torch.zeros_like(won)
    if dual is not None:
        ceiling = -advantages * dual
        capped = (advantages < 0) & (loss > ceiling)
        loss = torch.where(advantages < 0, torch.minimum(loss, ceiling), loss)
    return Surrogate(loss, won & (advantages > 0), won & (advantages < 0), capped)
