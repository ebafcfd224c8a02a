"""Numbers as distributions over fixed places on a line, for critics that classify.

A *support* is the interval ``[low, high]`` with m places on it. Histograms (HL-Gauss) cut it into m
bins of equal width and stand for the bins' centres; two-hot and C51 put m places on it, both ends
included. The two grids are never mixed. ``[…]`` is any shape; the m outputs are the last dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor

from etude.primitives.masked import as_float


def bin_edges(low: float, high: float, bins: int, like: Tensor | None = None) -> Tensor:
    """Return the ``bins + 1`` edges of a histogram's bins."""
    return _places(low, high, bins + 1, like)


def bin_centres(low: float, high: float, bins: int, like: Tensor | None = None) -> Tensor:
    """Return the ``bins`` centres of a histogram's bins."""
    edges = bin_edges(low, high, bins, like)
    return (edges[:-1] + edges[1:]) / 2


def atoms(low: float, high: float, bins: int, like: Tensor | None = None) -> Tensor:
    """Return ``bins`` places from ``low`` to ``high``, both included."""
    return _places(low, high, bins, like)


def _places(low: float, high: float, count: int, like: Tensor | None) -> Tensor:
    dtype = torch.float64 if like is None else like.dtype
    device = None if like is None else like.device
    return torch.linspace(low, high, count, dtype=dtype, device=device)


def expectation(logits: Tensor, places: Tensor) -> Tensor:
    """Return the mean place ``Σ_i softmax(logits)_i · place_i`` of logits ``[…, m]``, ``[…]``."""
    return as_float(logits).softmax(-1) @ places


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return ``−Σ_i target_i · log softmax(logits)_i``, both ``[…, m]``, as ``[…]``.

    Its gradient is ``softmax(logits) − target`` where the target sums to 1.
    """
    return -(target * as_float(logits).log_softmax(-1)).sum(-1)


def gaussian_histogram(y: Tensor, edges: Tensor, sigma: float) -> Tensor:
    """Return the mass of N(y, sigma²) in each bin, cut off at the outer edges, ``[…, m]``.

    ``F_k = erf((edge_k − y) / (√2·σ))`` and ``p_i = (F_{i+1} − F_i) / (F_m − F_0)``: each sums to 1
    (arXiv 2403.03950). Numbers far outside the edges leave nothing to divide by, which is bounded
    at 1e-10 as in the published package; clip them first.
    """
    cumulative = torch.erf((edges - y.unsqueeze(-1)) / (2.0**0.5 * sigma))
    whole = (cumulative[..., -1:] - cumulative[..., :1]).clamp(min=1e-10)
    return cumulative.diff(dim=-1) / whole


def two_hot(y: Tensor, places: Tensor) -> Tensor:
    """Return numbers as two neighbouring places whose mean they are, ``[…, m]``.

    Numbers outside the places count as the nearer end.
    """
    return project(torch.ones_like(y).unsqueeze(-1), y.unsqueeze(-1), places)


def project(mass: Tensor, moved: Tensor, places: Tensor) -> Tensor:
    """Return masses ``[…, k]`` at ``moved [..., k]`` shared between the ``places [m]``, ``[…, m]``.

    Each gives its mass to the two places around it, in proportion to how near they are (C51,
    arXiv 1707.06887); beyond the ends it counts as the nearer one. The mean is kept.
    """
    moved = moved.clamp(places[0], places[-1])
    above = torch.searchsorted(places, moved.contiguous()).clamp(1, places.numel() - 1)
    low, high = places[above - 1], places[above]
    share = (moved - low) / (high - low)
    found = torch.zeros(*moved.shape[:-1], places.numel(), dtype=moved.dtype, device=moved.device)
    found.scatter_add_(-1, above - 1, mass * (1 - share))
    return found.scatter_add_(-1, above, mass * share)
