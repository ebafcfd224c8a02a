"""Entropies and the like of tokens from logits, in float32 (float64 stays float64)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from etude.primitives.masked import as_float


def entropy_of(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the entropy of each next-token distribution in nats, ``[N, T]``.

    ``H = logsumexp(z) − Σ_v softmax(z)_v z_v`` with ``z = logits / temperature``.
    """
    scaled = as_float(logits) / temperature
    return scaled.logsumexp(-1) - (scaled.softmax(-1) * scaled).sum(-1)


def mean_logprob_of(logits: Tensor) -> Tensor:
    """Return the mean log-prob over the vocabulary, ``mean_v z − logsumexp z``, ``[…]``."""
    scaled = as_float(logits)
    return scaled.mean(-1) - scaled.logsumexp(-1)


#: What a part may ask of every token's distribution, by name: logits ``[m, V]`` → ``[m]``.
STATISTICS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "entropy": entropy_of,
    "mean_logprob": mean_logprob_of,
}
