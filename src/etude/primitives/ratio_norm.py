"""Ratios whose logarithm is centred and scaled before it is clipped (GRPO-Guard).

For a Gaussian step with means μ, μ° and deviation s the log-ratio of a draw from the old policy is
−b + a term of mean 0 and deviation √(2b), b = |μ − μ°|²/(2s²). Adding b removes the mean, which
otherwise keeps ratios below 1, and × s makes the deviation the same at every s.
"""

from __future__ import annotations

from torch import Tensor

from etude.primitives.ratio import LOG_RATIO_LIMIT


def normalised_ratio(
    log_ratio: Tensor, bias: Tensor | float, scale: Tensor | float = 1.0
) -> Tensor:
    """Return ``exp((log_ratio + bias)·scale)``; the exponent is clamped to ±20.

    ``bias`` estimates the KL divergence of the old policy from the new one; arXiv 2510.22319.
    """
    return ((log_ratio + bias) * scale).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
