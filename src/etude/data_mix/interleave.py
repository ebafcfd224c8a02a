"""The order in which rows are visited, as a function of position: resumable from a few integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.data_mix.share import OpenShare
from etude.randomness import generator

#: Rows of a part that are drawn by their probabilities at a time.
_BLOCK = 4096


class Interleave:
    """Positions in parts of given sizes, mixed by weight, each part reshuffled for each pass.

    The next part is the one furthest behind its share, the first of equals: after any number of
    draws each part's count is within one of its exact share. Within a part, pass ``e`` visits a
    permutation seeded by (seed, name, e); rows with ``probabilities`` are drawn by them, with
    replacement. What is drawn depends on the counts alone, never on how many were drawn at a time.
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: Sequence[int],
        weights: Sequence[float],
        seed: int,
        *,
        shuffle: bool,
        probabilities: Sequence[NDArray[np.float64] | None] = (),
    ) -> None:
        self._names = list(names)
        self._sizes = list(sizes)
        self._shares = _shares(weights)
        self._owed: list[float] | None = None  # what parts have to catch up of other shares before
        self._since = 0  # draws until these shares
        known = probabilities or [None] * len(self._names)
        self._bounds = [None if each is None else np.cumsum(each) / each.sum() for each in known]
        self._seed = seed
        self._shuffle = shuffle
        self._counts = [0] * len(self._names)
        self._taken = [0] * len(self._names)
        self._orders: dict[int, tuple[int, NDArray[np.int64]]] = {}

    def draw(self) -> tuple[int, int]:
        """Return (part, position in the part) of the next row and move on."""
        behind = self._behind(sum(self._counts) + 1)
        part = max(
            (part for part, share in enumerate(self._shares) if share > 0), key=behind.__getitem__
        )
        position = self._position(part, self._counts[part] + self._taken[part])
        self._counts[part] += 1
        return part, position

    def _behind(self, drawn: int) -> list[float]:
        """Return how many rows each part is behind its share when ``drawn`` are drawn."""
        fresh = [share * (drawn - self._since) for share in self._shares]
        if self._owed is not None:
            fresh = [new + owed for new, owed in zip(fresh, self._owed, strict=True)]
        return [rows - count for rows, count in zip(fresh, self._counts, strict=True)]

    def reweigh(self, weights: Sequence[float]) -> None:
        """Mix by other weights from the next row on; what parts are behind they catch up still."""
        shares = _shares(weights)
        if shares == self._shares:
            return
        drawn = sum(self._counts)
        behind = self._behind(drawn)
        self._owed = [rows + count for rows, count in zip(behind, self._counts, strict=True)]
        self._since = drawn
        self._shares = shares

    def take(self, part: int) -> int:
        """Return the next position of a part and move on in it alone.

        The row counts nowhere in the shares by which :meth:`draw` chooses parts.
        """
        position = self._position(part, self._counts[part] + self._taken[part])
        self._taken[part] += 1
        return position

    @property
    def moved(self) -> bool:
        """Return whether the shares are others than they began with."""
        return self._owed is not None

    @property
    def shares(self) -> list[float]:
        """Return each part's share of the rows."""
        return list(self._shares)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many rows of each part were drawn or taken."""
        both = zip(self._counts, self._taken, strict=True)
        return dict(zip(self._names, map(sum, both), strict=True))

    @property
    def drawn(self) -> int:
        """Return how many rows were drawn or taken."""
        return sum(self._counts) + sum(self._taken)

    def _position(self, part: int, count: int) -> int:
        bounds = self._bounds[part]
        if bounds is not None:
            return self._drawn_position(part, count, bounds)
        visit, offset = divmod(count, self._sizes[part])
        if not self._shuffle:
            return offset
        known = self._orders.get(part)
        if known is None or known[0] != visit:
            random = generator("order", self._seed, self._names[part], visit)
            known = (visit, random.permutation(self._sizes[part]))
            self._orders[part] = known
        return int(known[1][offset])

    def _drawn_position(self, part: int, count: int, bounds: NDArray[np.float64]) -> int:
        """Return the row that draw number ``count`` of a part takes, by its probability."""
        block, offset = divmod(count, _BLOCK)
        known = self._orders.get(part)
        if known is None or known[0] != block:
            random = generator("weighted", self._seed, self._names[part], block)
            known = (block, np.searchsorted(bounds, random.random(_BLOCK), side="right"))
            self._orders[part] = known
        return min(int(known[1][offset]), self._sizes[part] - 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the counts: of rows drawn and, where there are any, of rows taken and owed."""
        state: dict[str, Any] = {"counts": dict(zip(self._names, self._counts, strict=True))}
        if any(self._taken):
            state["taken"] = dict(zip(self._names, self._taken, strict=True))
        if self._owed is not None:
            state["mixed"] = {
                "shares": list(self._shares),
                "owed": list(self._owed),
                "since": self._since,
            }
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from counts; raises ValueError when the parts are others."""
        counts = state["counts"]
        if list(counts) != self._names:
            raise ValueError(f"the parts were {list(counts)} and are {self._names}")
        self._counts = [int(count) for count in counts.values()]
        taken = state.get("taken") or dict.fromkeys(self._names, 0)
        self._taken = [int(taken[name]) for name in self._names]
        mixed = state.get("mixed")
        if mixed is not None:
            self._shares = [float(share) for share in mixed["shares"]]
            self._owed = [float(rows) for rows in mixed["owed"]]
            self._since = int(mixed["since"])


def interleaved(parts: list[OpenShare], seed: int, *, shuffle: bool) -> Interleave:
    """Return the order of opened parts; a part without a weight has that of its rows."""
    return Interleave(
        [part.name for part in parts],
        [len(part) for part in parts],
        list(own_weights(parts).values()),
        seed,
        shuffle=shuffle,
        probabilities=[part.probabilities for part in parts],
    )


def own_weights(parts: list[OpenShare]) -> dict[str, float]:
    """Return the weight of each part: its own, or its number of rows."""
    return {part.name: float(len(part)) if part.weight is None else part.weight for part in parts}


def _shares(weights: Sequence[float]) -> list[float]:
    total = float(sum(weights))
    return [weight / total for weight in weights]
