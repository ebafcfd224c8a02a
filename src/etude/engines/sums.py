"""Sums over all numbers of a model, by which two copies of it are known to be alike or not."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

#: Elements that are widened at once.
_CHUNK = 1 << 24


def sums(tensors: Iterable[Tensor]) -> tuple[float, float]:
    """Return Σx and Σx² over all elements, in float64."""
    total = squares = 0.0
    for tensor in tensors:
        for part in tensor.reshape(-1).split(_CHUNK):
            wide = part.double()
            total += float(wide.sum())
            squares += float(wide.square().sum())
    return total, squares
