"""The Beta density of success rates: its moment fit, and what one over it weighs a prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

#: At a variance of the rates up to this there is no spread to fit, and every weight is 1.
NO_SPREAD = 1e-8


@dataclass(frozen=True)
class BetaFit:
    """The parameters of the density a prompt is divided by, and the moments they come from.

    ``alpha = beta = 1`` (the uniform density) weighs every prompt by 1.
    """

    alpha: float
    beta: float
    mean: float
    variance: float


def fit_beta(rates: Tensor) -> BetaFit:
    """Return α and β of BNPO (arXiv 2506.02864) from the success rates of prompts, ``[P]``.

    The rates are taken to be Beta(a, b), fitted by moments: ``c = M(1 − M)/V − 1, a = cM,
    b = c(1 − M)`` with the sample variance V. The normalised gradient varies least at
    ``α = 1 + a/3, β = 1 + b/3``; both are at least 1. One prompt, or rates without spread, give 1.
    """
    rates = rates.double()
    mean = float(rates.mean())
    variance = float(rates.var()) if rates.numel() > 1 else 0.0
    if variance <= NO_SPREAD:
        return BetaFit(1.0, 1.0, mean, variance)
    concentration = mean * (1.0 - mean) / variance - 1.0
    return BetaFit(
        alpha=max(1.0, 1.0 + concentration * mean / 3.0),
        beta=max(1.0, 1.0 + concentration * (1.0 - mean) / 3.0),
        mean=mean,
        variance=variance,
    )


def inverse_beta_density(rates: Tensor, alpha: float, beta: float, cap: float) -> Tensor:
    """Return ``min(1/f(p; α, β), cap)`` for rates in [0, 1], float64; 0⁰ is 1.

    Computed through logarithms, so that a density of 0 gives the cap and never a nan.
    """
    p = rates.double()
    a, b = (torch.tensor(value, dtype=torch.float64, device=p.device) for value in (alpha, beta))
    log_constant = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    log_density = torch.xlogy(a - 1.0, p) + torch.special.xlog1py(b - 1.0, -p) - log_constant
    return (-log_density).exp().clamp(max=cap)
