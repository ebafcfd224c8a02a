"""Weights of logged trajectories by what they returned (ICLR 2023, OpenReview OhUAblg27z)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def return_probabilities(
    returns: Numbers, temperature: float, lengths: Numbers | None = None
) -> Numbers:
    """Return how likely each trajectory is to be drawn, ``[N]``, sum 1.

    p_i ∝ T_i · exp(g_i / temperature) with g the returns, the least 0 and the largest 1; T_i are
    ``lengths`` (a softmax over transitions), or 1. Where all returns are equal g is 0.
    """
    spread = returns.max() - returns.min()
    scaled = (returns - returns.min()) / spread if spread > 0 else np.zeros_like(returns)
    weights = np.exp((scaled - scaled.max()) / temperature)
    if lengths is not None:
        weights = weights * lengths
    return np.asarray(weights / weights.sum())


def linear_baseline(returns: Numbers, features: Numbers) -> Numbers:
    """Return what least squares on ``features [N, F]`` with an intercept expect, ``[N]``."""
    known = np.column_stack([features, np.ones(len(returns))])
    solution, *_ = np.linalg.lstsq(known, returns, rcond=None)
    return np.asarray(known @ solution)


def group_baseline(returns: Numbers, groups: Sequence[Hashable]) -> Numbers:
    """Return the mean return of each trajectory's group, ``[N]``."""
    _, group = np.unique([str(each) for each in groups], return_inverse=True)
    return np.asarray((np.bincount(group, returns) / np.bincount(group))[group])


def best_first(returns: Numbers, fraction: float) -> NDArray[np.int64]:
    """Return the ``fraction`` of trajectories that returned most (at least one), best first."""
    count = max(int(fraction * len(returns)), 1)
    return np.argsort(-returns, kind="stable")[:count]
