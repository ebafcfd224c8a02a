"""Statistics of the rows that answer one prompt.

Rows are grouped by id, never by position; groups may differ in size. Everything is computed in
float64, so that a group of equal rewards is recognised as such whatever the order of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GroupStatistics:
    """What a group-relative baseline needs, spread back over the rows.

    ``mean``, ``std`` (``[N]``, float64) and ``size`` (``[N]``) are those of each row's group.
    A group of one row has mean 0 and std 1, so that its reward is its advantage. ``flat [N]`` is
    True where a group has several rows and all of them have the same reward.
    """

    mean: Tensor
    std: Tensor
    size: Tensor
    flat: Tensor
    groups: int
    flat_groups: int

    def centre(self, rewards: Tensor) -> Tensor:
        """Return each reward minus its group's mean, float64 ``[N]``; exactly 0 in a flat group."""
        centred = rewards.double() - self.mean
        return torch.where(self.flat, torch.zeros_like(centred), centred)


def group_statistics(rewards: Tensor, groups: Tensor, *, sample: bool = True) -> GroupStatistics:
    """Return the statistics of ``rewards [N]`` in the groups of ids ``groups [N]``.

    ``sample`` divides the variance by n − 1 (the default of the published codes), else by n.
    """
    values = rewards.double()
    _, index = torch.unique(groups, return_inverse=True)
    count = int(index.max()) + 1 if index.numel() else 0
    zeros = torch.zeros(count, dtype=torch.float64, device=values.device)
    size = zeros.index_add(0, index, torch.ones_like(values))
    mean = zeros.index_add(0, index, values) / size
    squares = zeros.index_add(0, index, (values - mean[index]).square())
    single = size == 1
    std = (squares / (size - 1 if sample else size).clamp(min=1)).sqrt()
    highest = zeros.scatter_reduce(0, index, values, "amax", include_self=False)
    lowest = zeros.scatter_reduce(0, index, values, "amin", include_self=False)
    flat = (highest == lowest) & ~single
    mean = torch.where(single, torch.zeros_like(mean), mean)
    std = torch.where(single, torch.ones_like(std), std)
    return GroupStatistics(
        mean=mean[index],
        std=std[index],
        size=size[index],
        flat=flat[index],
        groups=count,
        flat_groups=int(flat.sum()),
    )
