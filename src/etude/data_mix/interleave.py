"""The order in which rows are visited, as a function of position: resumable from a few integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.data_mix.part import OpenPart
from etude.randomness import generator


class Interleave:
    """Positions in parts of given sizes, mixed by weight, each part reshuffled for each pass.

    The next part is the one furthest behind its share, the first of equals: after any number of
    draws each part's count is within one of its exact share. Within a part, pass ``e`` visits a
    permutation seeded by (seed, name, e). What is drawn depends on the counts alone, never on how
    many were drawn at a time.
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        weights: Sequence[float],
        seed: int,
        *,
        shuffle: bool,
    ) -> None:
        self._names = list(names)
        self._sizes = list(sizes)
        total = float(sum(weights))
        self._shares = [weight / total for weight in weights]
        self._seed = seed
        self._shuffle = shuffle
        self._counts = [0] * len(self._names)
        self._orders: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def draw(self) -> tuple[int, int]:
        """Return (part, position in the part) of the next row and move on."""
        drawn = sum(self._counts) + 1
        behind = [
            share * drawn - count for share, count in zip(self._shares, self._counts, strict=True)
        ]
        part = behind.index(max(behind))
        position = self._position(part, self._counts[part])
        self._counts[part] += 1
        return part, position

    @property
    def counts(self) -> dict[str, int]:
        """Return how many rows of each part were drawn."""
        return dict(zip(self._names, self._counts, strict=True))

    @property
    def drawn(self) -> int:
        """Return how many rows were drawn."""
        return sum(self._counts)

    def _position(self, part: int, count: int) -> int:
        visit, offset = divmod(count, self._sizes[part])
        if not self._shuffle:
            return offset
        known = self._orders.get(part)
        if known is None or known[0] != visit:
            random = generator("order", self._seed, self._names[part], visit)
            known = (visit, random.permutation(self._sizes[part]))
            self._orders[part] = known
        return int(known[1][offset])

    def state_dict(self) -> dict[str, Any]:
        """Return the counts."""
        return {"counts": self.counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from counts; raises ValueError when the parts are others."""
        counts = state["counts"]
        if list(counts) != self._names:
            raise ValueError(f"the parts were {list(counts)} and are {self._names}")
        self._counts = [int(count) for count in counts.values()]


def interleaved(parts: list[OpenPart], seed: int, *, shuffle: bool) -> Interleave:
    """Return the order of opened parts; a part without a weight has that of its rows."""
    names = [part.name for part in parts]
    weights = [float(len(part)) if part.weight is None else part.weight for part in parts]
    return Interleave(names, [len(part) for part in parts], weights, seed, shuffle=shuffle)
