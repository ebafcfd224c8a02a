"""The best row of each group."""

from __future__ import annotations

import torch
from torch import Tensor


def first_best(values: Tensor, groups: Tensor) -> Tensor:
    """Return which rows are the first with the largest of ``values [N]`` in their group, ``[N]``.

    Groups are told apart by the ids ``groups [N]``, wherever their rows stand.
    """
    _, index = torch.unique(groups, return_inverse=True)
    count = int(index.max()) + 1 if index.numel() else 0
    highest = values.new_zeros(count).scatter_reduce(0, index, values, "amax", include_self=False)
    rows = torch.arange(values.shape[0], device=values.device)
    places = torch.where(values == highest[index], rows, values.shape[0])
    first = rows.new_zeros(count).scatter_reduce(0, index, places, "amin", include_self=False)
    return rows == first[index]
