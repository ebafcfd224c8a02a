"""Log-probs of tokens by their definition, for tests to hold others to."""

from __future__ import annotations

from torch import Tensor

from etude.primitives.masked import as_float


def logprobs_of(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the log-prob of each label ``[N, T]`` under logits ``[N, T, V]``, ``[N, T]``."""
    scaled = as_float(logits) / temperature
    chosen = scaled.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return chosen - scaled.logsumexp(-1)
