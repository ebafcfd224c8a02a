"""The block of a tensor that one rank holds: some of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class Block:
    """Rows ``start`` … of a tensor of ``shape``, held by this rank; possibly none of them."""

    local: Tensor
    shape: tuple[int, ...]
    start: int


class Stored(Protocol):
    """A tensor that lies on disk, in one piece or several; nothing is read until rows are."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole tensor."""

    def rows(self, start: int, count: int) -> Tensor:
        """Return ``count`` rows from ``start``; no others are read."""


def rows_of(value: Tensor | Stored | Block, start: int, count: int) -> Tensor:
    """Return some rows of a tensor, wherever it lies."""
    if isinstance(value, Tensor):
        return value[start : start + count]
    if isinstance(value, Block):  # of a state of this very world, never written
        return value.local
    return value.rows(start, count)
