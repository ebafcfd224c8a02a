"""Importance ratios between the policy that is trained and the one that sampled.

``logprobs`` are those of the current policy (with gradient), ``old_logprobs`` those at sampling
time (constants), both ``[N, T]`` at the sampling temperature and finite where ``mask`` is 0.
"""

from __future__ import annotations

from torch import Tensor

from etude.primitives.masked import row_mean

#: Log-ratios are clamped to ± this before exp, as in verl (core_algos.py); exp(20) ≈ 5e8.
LOG_RATIO_LIMIT = 20.0
#: The upper clamp of GSPO's token log-ratio, as in verl.
GSPO_LOG_RATIO_LIMIT = 10.0


def log_ratio(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """Return ``logprobs − old_logprobs`` clamped to ±20, ``[N, T]``; no gradient beyond."""
    return (logprobs - old_logprobs).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def token_ratio(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """Return the ratio of probabilities of every token, ``[N, T]``."""
    return log_ratio(logprobs, old_logprobs).exp()


def sequence_ratio_per_token(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor) -> Tensor:
    """Return GSPO's token form of the length-normalised sequence ratio, ``[N, T]``.

    ``s_it = sg[s_i] · exp(ℓ_it − sg[ℓ_it])`` with ``s_i = exp(mean_t (ℓ − ℓ°))``: every token has
    the value of its sequence's ratio and the gradient of its own log-prob (arXiv 2507.18071).
    """
    mean = row_mean(logprobs - old_logprobs, mask).detach().unsqueeze(-1)
    return (logprobs - logprobs.detach() + mean).clamp(max=GSPO_LOG_RATIO_LIMIT).exp()


def sequence_ratio(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor) -> Tensor:
    """Return ``exp(Σ_t (ℓ − ℓ°))``, the ratio of whole responses, ``[N]``; log clamped to ±20."""
    total = ((logprobs - old_logprobs) * mask).sum(-1)
    return total.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT).exp()
