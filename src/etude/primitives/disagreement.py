"""How much the next-token distributions of the answers to one prompt differ at a position."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Differences of log-probs are clamped to ± this, as in TW-GRPO's code.
DIFFERENCE_LIMIT = 11.0


def disagreement(logits: Tensor, groups: Tensor, mask: Tensor) -> Tensor:
    """Return the disagreement in each row's group at c positions, ``[N, c]``.

        d_i = clamp(mean_j lp_j − lp_i, ±11)      kl = mean_i Σ_v (e^{d_iv} − d_iv − 1)

    ``logits [N, c, V]``; lp are log-probs over the whole vocabulary, uniform where ``mask [N, c]``
    is 0. The mean is one of log-probs and the sum has no probabilities in it (arXiv 2505.24718).
    Every row is a member of its group. 0 where all members have the same distribution.
    """
    uniform = -math.log(logits.shape[-1])
    logprobs = torch.where(mask.unsqueeze(-1) > 0, logits.log_softmax(-1), uniform)
    ids, index = torch.unique(groups, return_inverse=True)
    found = logprobs.new_zeros(mask.shape)
    for group in range(ids.numel()):  # one group at a time: [G, c, V] and not [N, c, V] thrice
        rows = (index == group).nonzero().squeeze(-1)
        own = logprobs[rows]
        difference = (own.mean(0) - own).clamp(-DIFFERENCE_LIMIT, DIFFERENCE_LIMIT)
        # expm1 keeps rounding far below the 1e-8 that positions are later compared with.
        kl = (difference.expm1() - difference).sum(-1).mean(0)
        found = found.index_copy(0, rows, kl.expand(len(rows), -1))
    return found
