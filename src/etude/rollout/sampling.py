"""From logits and one uniform a row to a token and its log-prob."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn: temperature 0 takes the likeliest; top_k 0 and top_p 1 leave all."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0


def draw(logits: Tensor, uniforms: Tensor, how: Sampling) -> tuple[Tensor, Tensor]:
    """Return the tokens ``[N]`` drawn from ``logits [N, V]`` and their log-probs ``[N]``.

    A token is the first whose cumulative probability exceeds the row's uniform in [0, 1), float64
    ``[N]``. Log-probs are of the full distribution at the temperature, before ``top_k`` and
    ``top_p`` (at temperature 0: of the distribution at temperature 1), in float32, or float64 when
    the logits are.
    """
    if logits.dtype != torch.float64:
        logits = logits.float()
    if how.temperature not in (0.0, 1.0):
        logits = logits / how.temperature
    logprobs = torch.log_softmax(logits, dim=-1)
    if how.temperature == 0.0:
        tokens = logprobs.argmax(-1)
    else:
        tokens = inverse_cdf(_filtered(logprobs.exp(), how), uniforms)
    return tokens, logprobs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def inverse_cdf(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Return, for each row of ``weights [N, V]``, the first index whose share of the sum exceeds u.

    Never an index of weight 0, whatever rounding does to the sum.
    """
    cumulative = weights.cumsum(-1, dtype=torch.float64)
    total = cumulative[:, -1]
    # u·total may round up to total, beyond which there is no index.
    target = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target.unsqueeze(-1), right=True).squeeze(-1)


def _filtered(probabilities: Tensor, how: Sampling) -> Tensor:
    """Return the probabilities with 0 outside the ``top_k`` likeliest and outside the nucleus.

    The nucleus is the smallest set of likeliest tokens that holds ``top_p`` of the mass; ties are
    broken by the lower token number, so that exactly one set is meant.
    """
    whole = probabilities.shape[-1]
    if (how.top_k <= 0 or how.top_k >= whole) and how.top_p >= 1.0:
        return probabilities
    ordered, index = probabilities.sort(dim=-1, descending=True, stable=True)
    if 0 < how.top_k < whole:
        ordered[:, how.top_k :] = 0.0
    if how.top_p < 1.0:
        share = ordered / ordered.sum(-1, keepdim=True)
        before = share.cumsum(-1, dtype=torch.float64) - share
        ordered = ordered.masked_fill(before >= how.top_p, 0.0)
    return torch.zeros_like(probabilities).scatter_(-1, index, ordered)
