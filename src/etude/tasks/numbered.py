"""Random numbers of rows that are known by a number: whole columns of draws at once.

A draw depends on its purpose, its row and its place alone, never on which rows are drawn with it,
so fewer rows are the beginning of more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from etude.randomness import seed_of

_STEP = np.uint64(0x9E3779B97F4A7C15)


def draws(
    purpose: tuple[int | str, ...], rows: NDArray[np.int64], count: int
) -> NDArray[np.uint64]:
    """Return ``count`` uniform 64-bit numbers for each row, ``[R, count]`` (SplitMix64)."""
    first = np.uint64(seed_of(*purpose))
    places = np.arange(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed: NDArray[np.uint64] = np.add.outer(rows.astype(np.uint64) * np.uint64(count), places)
        mixed = first + (mixed + np.uint64(1)) * _STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def whole(numbers: NDArray[np.uint64], low: int, high: int) -> NDArray[np.int64]:
    """Return uniform whole numbers from ``low`` to ``high``, both included."""
    return (numbers % np.uint64(high - low + 1)).astype(np.int64) + low
