"""Weights of demonstrated tokens by how sure the policy is of them."""

from __future__ import annotations

from torch import Tensor


def phi_of(logprobs: Tensor) -> Tensor:
    """Return sg[p·(1 − p)] of every token, p = exp(ℓ): 0 for known and for hopeless tokens.

    It is largest, 1/4, where the policy is undecided (CHORD, arXiv 2508.11408).
    """
    known = logprobs.detach().exp()
    return known * (1.0 - known).clamp(min=0.0)
