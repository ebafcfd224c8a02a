"""Choosing rows and tokens: the largest scores, the subset of largest variance, a growing share.

What is chosen depends on scores and, where they are equal, on an order of rows that is handed in:
never on how a batch is laid out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Guards a count against the last digit of a product such as 0.7 · 10.
_SLACK = 1e-9


def linear_share(start: float, end: float, step: int, steps: int) -> float:
    """Return ``start + (end − start) · min(step / steps, 1)``."""
    return start + (end - start) * min(step / max(steps, 1), 1.0)


def share_of(share: float, count: int, *, least: int) -> int:
    """Return ``⌈share · count⌉``, at least ``least`` and never more than ``count``."""
    return min(max(math.ceil(share * count - _SLACK), least), count)


def largest(scores: Tensor, eligible: Tensor, count: int, row_order: Tensor) -> Tensor:
    """Return which ``count`` eligible tokens have the largest scores, boolean ``[N, T]``.

    ``scores`` and ``eligible`` are ``[N, T]``. Equal scores are taken in the order of
    ``row_order [N]`` (a number a row), then of tokens.
    """
    rows = row_order.argsort(stable=True)
    ranked = scores.double().masked_fill(eligible == 0, -math.inf)[rows].flatten()
    first = ranked.argsort(descending=True, stable=True)[: min(count, int((eligible > 0).sum()))]
    taken = torch.zeros_like(ranked, dtype=torch.bool)
    taken[first] = True
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen[rows] = taken.view(scores.shape)
    return chosen


def max_variance_subset(values: Tensor, size: int) -> Tensor:
    """Return which ``size`` of ``values [n]`` vary most (population variance), boolean ``[n]``.

    The best subset is always some of the largest with some of the smallest (arXiv 2504.13818), so
    every such cut of the sorted values is tried. Equal values are taken in the order given. Raises
    ValueError for a size below 2 where there is a choice: one value has no variance.
    """
    count = values.numel()
    if size >= count:
        return torch.ones(count, dtype=torch.bool, device=values.device)
    if size < 2:
        raise ValueError(f"a subset of largest variance needs 2 values or more, not {size}")
    order = values.double().argsort(stable=True)
    ranked = values.double()[order] - values.double()[order].mean()
    start = ranked.new_zeros(1)
    sums = torch.cat([start, ranked.cumsum(0)])
    squares = torch.cat([start, ranked.square().cumsum(0)])
    low = torch.arange(size, -1, -1, device=values.device)
    high = size - low
    total = sums[low] + sums[-1] - sums[count - high]
    square = squares[low] + squares[-1] - squares[count - high]
    best = int((square / size - (total / size).square()).argmax())
    taken = torch.zeros(count, dtype=torch.bool, device=values.device)
    taken[order[: size - best]] = True
    taken[order[count - best :]] = True
    return taken
