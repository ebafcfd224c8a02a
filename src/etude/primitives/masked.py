"""Sums, means and whitening over the tokens that count.

A mask is 1 where a token counts and 0 elsewhere (padding, tool output, rows that are dropped).
"""

from __future__ import annotations

import torch
from torch import Tensor

from etude.errors import DataError


def as_float(x: Tensor) -> Tensor:
    """Return ``x`` in float32, or in float64 if it already is: the dtype losses are computed in."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def keep(x: Tensor, mask: Tensor) -> Tensor:
    """Return ``x`` where ``mask`` is set and 0 elsewhere, even where x is inf or nan."""
    return torch.where(mask > 0, x, torch.zeros((), dtype=x.dtype, device=x.device))


def masked_sum(x: Tensor, mask: Tensor) -> Tensor:
    """Return the sum of ``x`` over the tokens of ``mask``."""
    return (keep(x, mask) * mask).sum()


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of ``x`` over the tokens of ``mask``; 0 when there are none."""
    return masked_sum(x, mask) / mask.sum().clamp(min=1)


def row_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of each row of ``x [N, T]`` over its tokens, ``[N]``; 0 for an empty row."""
    return (keep(x, mask) * mask).sum(-1) / mask.sum(-1).clamp(min=1)


def whiten(x: Tensor, mask: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Return ``(x − mean) / √(var + epsilon)`` over all tokens of ``mask``, 0 elsewhere.

    The variance is the unbiased one. No token at all gives zeros; raises DataError for exactly
    one, which has no variance.
    """
    count = int(mask.sum())
    if count == 0:
        return torch.zeros_like(x)
    if count == 1:
        raise DataError(
            "advantages cannot be whitened: the rollout batch has 1 response token that counts and "
            "a variance needs at least 2; raise training.prompts_per_step or rollout lengths, or "
            "choose an advantage that does not whiten (objective/advantage=grpo)"
        )
    centred = keep(x - masked_mean(x, mask), mask)
    variance = (centred.square() * mask).sum() / (count - 1)
    return centred * torch.rsqrt(variance + epsilon)
