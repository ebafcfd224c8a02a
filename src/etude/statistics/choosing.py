"""Choosing among candidates by a proxy: the best, the worst and SharpeRatio@k of the top k.

Source: arXiv 2311.18207.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TopK:
    """The true values of the k candidates that a proxy ranks first.

    ``spread`` is the standard deviation, None where it has none. ``sharpe`` is how far the best is
    above the baseline in units of it; None where the spread is 0 or missing.
    """

    k: int
    best: float
    worst: float
    mean: float
    spread: float | None
    sharpe: float | None


def top_k(
    values: Sequence[float],
    proxy: Sequence[float],
    baseline: float,
    k: int,
    *,
    sample: bool = True,
) -> TopK:
    """Return what the ``k`` candidates of greatest ``proxy`` are truly worth.

    ``sample`` is the authors' code: the spread is that of a sample (k − 1) and a best below the
    baseline counts as none above it. The paper's formula (False) takes the population's and cuts
    nothing, and its baseline is a candidate. Raises ValueError where k is not from 1 to the number
    of candidates.
    """
    if not 1 <= k <= len(values) or len(values) != len(proxy):
        raise ValueError(f"k={k} of {len(values)} candidates with {len(proxy)} proxies")
    order = np.argsort(-np.asarray(proxy, dtype=np.float64), kind="stable")[:k]
    chosen = np.asarray(values, dtype=np.float64)[order]
    spread = None if sample and k < 2 else float(chosen.std(ddof=int(sample)))
    if spread is not None and chosen.max() == chosen.min():
        spread = 0.0  # by rounding it may come out a little above
    best = float(chosen.max())
    above = max(best - baseline, 0.0) if sample else best - baseline
    sharpe = None if not spread else above / spread
    return TopK(k, best, float(chosen.min()), float(chosen.mean()), spread, sharpe)
