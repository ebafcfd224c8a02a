"""Parts of a distribution of scores: its lower tail, its middle and its upper tail."""

from __future__ import annotations

from torch import Tensor

from etude.primitives.quantiles import empirical_quantile


def middle(scores: Tensor, low: float, high: float) -> Tensor:
    """Return ``(X − low)₊ − (X − high)₊``: what lies above ``low``, at most ``high − low``."""
    return scores.clamp(low, high) - low


def lower_tail(scores: Tensor, low: float) -> Tensor:
    """Return ``−(low − X)₊``: what a score lacks, at most 0."""
    return scores.clamp(max=low) - low


def upper_tail(scores: Tensor, high: float) -> Tensor:
    """Return ``(X − high)₊``: what a score has above ``high``."""
    return scores.clamp(min=high) - high


def mean_between(scores: Tensor, low_level: float, high_level: float) -> float:
    """Return the mean of the scores between two of their own quantiles, both included.

    Levels 0 and α give the mean of the lower tail, α and β that of the middle.
    """
    low, high = empirical_quantile(scores, low_level), empirical_quantile(scores, high_level)
    chosen = scores[(scores >= low) & (scores <= high)]
    return float(chosen.double().mean()) if chosen.numel() else (low + high) / 2
