"""Scores of rows compared inside their prompt groups, with the gradient kept.

A row counts where ``members [N]`` is set; the others are in no group and get 0. Rows are grouped
by id, never by position, and groups may differ in size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from etude.primitives.masked import keep


def group_total(x: Tensor, groups: Tensor, members: Tensor) -> Tensor:
    """Return the sum of ``x [N]`` over the members of each row's group, ``[N]``."""
    ids, index = torch.unique(groups, return_inverse=True)
    counted = keep(x, members)
    return counted.new_zeros(ids.numel()).index_add(0, index, counted)[index]


def group_size(x: Tensor, groups: Tensor, members: Tensor) -> Tensor:
    """Return how many members each row's group has, ``[N]`` in the dtype of ``x``."""
    return group_total(torch.ones_like(x), groups, members)


def minus_others(x: Tensor, groups: Tensor, members: Tensor) -> Tensor:
    """Return each member's score minus the mean of the others', ``[N]``; alone: the score."""
    others = (group_size(x, groups, members) - 1).clamp(min=1)
    total = group_total(x, groups, members)
    return keep(x - (total - x) / others, members)


def minus_mean(
    x: Tensor, groups: Tensor, members: Tensor, *, scale: bool, epsilon: float = 1e-6
) -> Tensor:
    """Return each member's score minus its group's mean, ``[N]``.

    ``scale`` divides by the sample std + ``epsilon``, whose gradient is 0 where it is 0. A row
    that is alone keeps its score.
    """
    size = group_size(x, groups, members)
    mean = group_total(x, groups, members) / size.clamp(min=1)
    centred = keep(torch.where(size > 1, x - mean, x), members)
    if not scale:
        return centred
    variance = group_total(centred.square(), groups, members) / (size - 1).clamp(min=1)
    spread = variance > 0
    std = torch.where(spread, torch.where(spread, variance, 1.0).sqrt(), 0.0)
    return torch.where(size > 1, centred / (std + epsilon), centred)


def group_softmax(x: Tensor, groups: Tensor, members: Tensor) -> Tensor:
    """Return the softmax of ``x [N]`` over the members of each group, ``[N]``, constants."""
    values = x.detach()
    ids, index = torch.unique(groups, return_inverse=True)
    lowest = torch.finfo(values.dtype).min
    counted = torch.where(members > 0, values, lowest)
    highest = values.new_full((ids.numel(),), lowest)
    highest = highest.scatter_reduce(0, index, counted, "amax")[index]
    mass = keep((counted - highest).exp(), members)
    return mass / group_total(mass, groups, members).clamp(min=torch.finfo(mass.dtype).tiny)
