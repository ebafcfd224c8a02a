"""Returns and generalised advantages over tokens; tokens outside the mask are stepped over."""

from __future__ import annotations

import torch
from torch import Tensor


def discounted_returns(token_rewards: Tensor, mask: Tensor, gamma: float) -> Tensor:
    """Return ``G_t = Σ_{s≥t} γ^{s−t} r_s`` over the tokens of ``mask``, ``[N, T]``, 0 elsewhere."""
    returns = torch.zeros_like(token_rewards)
    running = token_rewards.new_zeros(token_rewards.shape[0])
    for t in range(token_rewards.shape[1] - 1, -1, -1):
        on = mask[:, t] > 0
        running = torch.where(on, token_rewards[:, t] + gamma * running, running)
        returns[:, t] = torch.where(on, running, returns[:, t])
    return returns


def generalised_advantages(
    token_rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Return the advantages and returns of GAE (arXiv 1506.02438), both ``[N, T]``, 0 off the mask.

    ``δ_t = r_t + γ·V_next − V_t`` and ``A_t = δ_t + γλ·A_next``, where *next* is the next token of
    the mask (none after the last: 0); returns are ``A + V``.
    """
    advantages = torch.zeros_like(values)
    next_value = values.new_zeros(values.shape[0])
    running = values.new_zeros(values.shape[0])
    for t in range(values.shape[1] - 1, -1, -1):
        on = mask[:, t] > 0
        delta = token_rewards[:, t] + gamma * next_value - values[:, t]
        running = torch.where(on, delta + gamma * lam * running, running)
        next_value = torch.where(on, values[:, t], next_value)
        advantages[:, t] = torch.where(on, running, advantages[:, t])
    returns = torch.where(mask > 0, advantages + values, torch.zeros_like(values))
    return advantages, returns
