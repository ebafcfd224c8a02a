"""What tokens of a demonstration weigh beside the policy's own ones.

``logprobs`` (with gradient) and ``old_logprobs`` (constants) are ``[N, T]``. Powers and quotients
of probabilities are written so that a probability that rounds to 0 gives neither inf nor nan.
"""

from __future__ import annotations

from torch import Tensor

from etude.primitives.ratio import log_ratio


def probability(logprobs: Tensor) -> Tensor:
    """Return ``exp(ℓ)``, at most 1 whatever rounding did to ℓ, ``[N, T]``."""
    return logprobs.clamp(max=0.0).exp()


def saturated(logprobs: Tensor, gamma: float) -> Tensor:
    """Return ``p / (p + γ)`` (arXiv 2504.14945): its gradient is largest at p = γ, ``[N, T]``."""
    p = probability(logprobs)
    return p / (p + gamma)


def saturated_ratio(logprobs: Tensor, old_logprobs: Tensor, gamma: float) -> Tensor:
    """Return ``f(p) / f(p°)`` with ``f(p) = p / (p + γ)``, ``[N, T]``."""
    ratio = log_ratio(logprobs, old_logprobs).exp()
    return ratio * (probability(old_logprobs) + gamma) / (probability(logprobs) + gamma)


def multiple_importance_ratio(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """Return RL-PLUS's ``r = 2p / (p° + p_ω)``, ``p_ω = ½(p° + 1)`` (arXiv 2508.00222).

    The demonstrator is unknown and stands as half the old policy and half a distribution that the
    released code takes as 1 (the paper's is uniform), so r is at most 4.
    """
    old = probability(old_logprobs)
    return 2.0 * probability(logprobs) / (old + 0.5 * (old + 1.0))


def expert_ratio(logprobs: Tensor, expert_logprobs: Tensor) -> Tensor:
    """Return ``p / (p_expert + 1e-6)``, the ratio to a demonstrator that is known, ``[N, T]``."""
    return probability(logprobs) / (probability(expert_logprobs) + 1e-6)


def exploration_weight(logprobs: Tensor, gamma: float) -> Tensor:
    """Return ``(1 − sg p)^γ``: more for tokens the policy finds unlikely, ``[N, T]``."""
    return (1.0 - probability(logprobs.detach())).pow(gamma)
