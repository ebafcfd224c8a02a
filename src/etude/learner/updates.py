"""How the rows of a step are cut into update batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class UpdateRows:
    """The row numbers of one update batch, and what its loss is multiplied by."""

    rows: Tensor
    share: float = 1.0


def cut_prompts(groups: Tensor, order: Tensor, updates: int) -> Iterator[UpdateRows]:
    """Yield ``updates`` batches of as many prompts each, or one for each prompt where few.

    ``groups [N]`` are the rows' prompt groups and ``order`` is a permutation of these.
    """
    for part in torch.tensor_split(order, min(updates, len(order))):
        yield UpdateRows(torch.isin(groups, part).nonzero().squeeze(-1))


def repeats(mask: Tensor) -> Tensor | None:
    """Return row numbers in which each row stands as often as its tokens count in ``mask [N, T]``.

    A row that counts nowhere stands there once. None where no row counts twice.
    """
    counts = mask.amax(-1) if mask.numel() else mask.sum(-1)
    if not bool((counts > 1).any()):
        return None
    return torch.arange(len(mask)).repeat_interleave(counts.long().clamp(min=1))


def cut_kept(
    groups: Tensor,
    kept: Tensor,
    order: Tensor,
    updates: int,
    *,
    whole_groups: bool,
    rows_of_step: int,
) -> Iterator[UpdateRows]:
    """Yield batches of a full share of a step's rows, made of ``kept`` rows.

    There are as many as the kept rows fill; the last one's loss counts by how full it is. Rows
    follow ``order``, prompt by prompt; with ``whole_groups`` a prompt's rows stay together.
    """
    size = -(-rows_of_step // updates)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    rows = kept.nonzero().squeeze(-1)
    rows = rows[rank[groups[rows]].argsort(stable=True)]
    starts = torch.arange(len(rows))
    if whole_groups and len(rows):
        _, counts = torch.unique_consecutive(groups[rows], return_counts=True)
        starts = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    for batch in torch.unique(starts // size):
        chosen = rows[starts // size == batch].sort().values
        yield UpdateRows(chosen, len(chosen) / size)
