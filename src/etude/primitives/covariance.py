"""How the advantage and the log-prob of tokens vary together, which is what drives entropy down."""

from __future__ import annotations

from torch import Tensor

from etude.primitives.masked import keep, masked_mean


def token_covariance(advantages: Tensor, logprobs: Tensor, mask: Tensor) -> Tensor:
    """Return ``(A − mean A)·(ℓ − mean ℓ)`` of every token, float64 ``[N, T]``, 0 off the mask.

    The means are those of all tokens of ``mask``; the mean of the result is their covariance
    (arXiv 2505.22617).
    """
    counted = mask.double()

    def centred(x: Tensor) -> Tensor:
        known = x.detach().double()
        return keep(known - masked_mean(known, counted), counted)

    return centred(advantages) * centred(logprobs)
