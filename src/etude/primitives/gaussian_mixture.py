"""Gaussian mixtures with full covariances: expectation maximisation and information criteria."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Added to the variances, so that equal points have a density.
RIDGE = 1e-6

#: The fit ends when the mean log-likelihood of a point rises by less, or after so many rounds.
TOLERANCE, ROUNDS = 1e-3, 100


@dataclass(frozen=True)
class GaussianMixture:
    """A density: ``weights [K]``, ``means [K, D]`` and ``covariances [K, D, D]``."""

    weights: Array
    means: Array
    covariances: Array

    @property
    def parameters(self) -> int:
        """Return the number of free parameters."""
        return free_parameters(*self.means.shape)

    def log_densities(self, points: Array) -> Array:
        """Return the log of weight × density of each component at points ``[N, D]``, ``[N, K]``."""
        lower = np.linalg.cholesky(self.covariances)
        apart = points - self.means[:, None, :]  # [K, N, D]
        scaled = np.linalg.solve(lower, apart.transpose(0, 2, 1))
        log_det = 2.0 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        norm = points.shape[1] * math.log(2.0 * math.pi) + log_det
        log_weights = np.log(np.maximum(self.weights, 1e-300))
        found: Array = log_weights - 0.5 * (norm + (scaled**2).sum(axis=1).T)
        return found

    def log_likelihood(self, points: Array) -> float:
        """Return the log-likelihood of all points together."""
        return float(_log_sum(self.log_densities(points)).sum())

    def draw(self, component: int, random: np.random.Generator) -> Array:
        """Return a point of one component, ``[D]``."""
        lower = np.linalg.cholesky(self.covariances[component])
        drawn: Array = self.means[component] + lower @ random.standard_normal(len(lower))
        return drawn

    def state_dict(self) -> dict[str, Any]:
        """Return the arrays as tensors."""
        arrays = {"weights": self.weights, "means": self.means, "covariances": self.covariances}
        return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}

    @classmethod
    def of(cls, state: dict[str, Any]) -> GaussianMixture:
        """Return the mixture that :meth:`state_dict` was taken of."""
        return cls(**{name: tensor.numpy().copy() for name, tensor in state.items()})


def fit(points: Array, count: int, random: np.random.Generator) -> GaussianMixture:
    """Return a mixture of ``count`` components for points ``[N, D]``, from a random beginning.

    Every component has at least one point near it to begin with (k-means++).
    """
    shares = _beginning(points, count, random)
    before = -math.inf
    for _ in range(ROUNDS):
        mixture = _of_shares(points, shares)
        densities = mixture.log_densities(points)
        totals = _log_sum(densities)
        shares = np.exp(densities - totals[:, None])
        now = float(totals.mean())
        if abs(now - before) < TOLERANCE:
            break
        before = now
    return mixture


def free_parameters(components: int, size: int) -> int:
    """Return the free parameters of a mixture in ``size`` dimensions: k(D(D + 1)/2 + D + 1) − 1."""
    return components * (size * (size + 1) // 2 + size + 1) - 1


def aic(log_likelihood: float, parameters: int) -> float:
    """Return Akaike's criterion, 2p − 2 log L."""
    return 2.0 * parameters - 2.0 * log_likelihood


def bic(log_likelihood: float, parameters: int, points: int) -> float:
    """Return Schwarz's criterion, p log n − 2 log L."""
    return parameters * math.log(points) - 2.0 * log_likelihood


def correction(parameters: int, points: int) -> float:
    """Return what AICc adds to AIC, 2p(p + 1)/(n − p − 1); infinite where n is not above p + 1."""
    left = points - parameters - 1
    return 2.0 * parameters * (parameters + 1) / left if left > 0 else math.inf


def _log_sum(logs: Array) -> Array:
    """Return the log of the sum of exponentials along the last axis."""
    top = logs.max(axis=1)
    summed: Array = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
    return summed


def _of_shares(points: Array, shares: Array) -> GaussianMixture:
    """Return the likeliest mixture where points belong to components by ``shares [N, K]``."""
    counts = shares.sum(axis=0) + 10 * np.finfo(np.float64).eps
    means = shares.T @ points / counts[:, None]
    apart = points[:, None, :] - means  # [N, K, D]
    spread = np.einsum("nk,nkd,nke->kde", shares, apart, apart) / counts[:, None, None]
    covariances = spread + RIDGE * np.eye(points.shape[1])
    return GaussianMixture(counts / len(points), means, covariances)


def _beginning(points: Array, count: int, random: np.random.Generator) -> Array:
    """Return shares ``[N, K]`` of 0 and 1 to begin with: k-means++ and a few of Lloyd's rounds."""
    centres = points[[random.integers(len(points))]]
    while len(centres) < count:
        near = _squares(points, centres).min(axis=1)
        total = near.sum()
        chances = near / total if total > 0 else np.full(len(points), 1.0 / len(points))
        centres = np.vstack([centres, points[random.choice(len(points), p=chances)]])
    for _ in range(10):
        nearest = _squares(points, centres).argmin(axis=1)
        for k in range(count):
            own = nearest == k
            if own.any():
                centres[k] = points[own].mean(axis=0)
    return np.eye(count)[_squares(points, centres).argmin(axis=1)]


def _squares(points: Array, centres: Array) -> Array:
    squares: Array = ((points[:, None, :] - centres) ** 2).sum(axis=2)
    return squares
