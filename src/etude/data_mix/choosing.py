"""Serving a :class:`~etude.data_mix.draw.Draw`: which rows of which parts it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.data_mix.draw import Draw
from etude.data_mix.history import History
from etude.data_mix.interleave import Interleave
from etude.data_mix.known import Numbers
from etude.data_mix.part_rows import PartRows
from etude.data_mix.ranking import Order
from etude.data_mix.share import OpenShare
from etude.errors import StageError
from etude.randomness import seed_of


@dataclass(frozen=True)
class Chosen:
    """A row that is there: the number of its part and its position in it."""

    part: int
    position: int


@dataclass(frozen=True)
class Made:
    """A row that is to be made: the number of its part, its parameters, and a key.

    The key decides everything random in it.
    """

    part: int
    parameters: Mapping[str, float]
    key: int


@dataclass
class _Serving:
    """The draw that is served: its number, what is wanted first, rows used of each part.

    ``rows`` has with each row how many of its part were served before it.
    """

    number: int
    ranked: Mapping[int, Order]
    used: dict[int, int]
    rows: list[tuple[Chosen | Made, int]] = field(default_factory=list)


class Chooser:
    """Chooses the rows of draws that do not simply go on in the order of the mix.

    The part of each row is the one that has most to catch up on its share, over all draws so far;
    one whose rows are used up gives way to the others.
    Everything random is keyed by (seed, part, number of the draw), so the state is that number and
    what each part has to catch up.
    """

    def __init__(
        self, parts: Sequence[OpenShare], order: Interleave, history: History, seed: int
    ) -> None:
        self._parts = parts
        self._order = order
        self._seed = seed
        self._number = 0
        self._behind = {part.name: 0.0 for part in parts}
        self._rows = [PartRows(part, history, seed) for part in parts]
        self._serving = _Serving(0, {}, {})

    def choose(self, draw: Draw) -> list[Chosen | Made]:
        """Return the rows that a draw takes; raises StageError where there are none."""
        if draw.count is None:
            raise StageError("a draw has no count")
        shares = self._shares(draw)
        made = draw.parameters or {}
        ranked: dict[int, Order] = {}
        if draw.chooses:
            for part in shares:
                if self._parts[part].name not in made:
                    ranked[part] = self._rows[part].order(draw, self._number)
            shares = {part: share for part, share in shares.items() if len(ranked.get(part, [0]))}
        if not shares:
            raise StageError(
                "a draw leaves no row of data_mix.train: "
                "its weights, levels, ids and row_weights fit none together"
            )
        self._serving = _Serving(self._number, ranked, dict.fromkeys(shares, 0))
        used, rows = self._serving.used, self._serving.rows
        for _ in range(draw.count):
            fresh = {p: s for p, s in shares.items() if p not in ranked or used[p] < len(ranked[p])}
            part = self._next_part(fresh or shares)
            number = used[part]
            own = made.get(self._parts[part].name)
            parameters = None if own is None else own[number % len(own)]
            rows.append((self._row(part, parameters, number), number))
        self._number += 1
        return [row for row, _ in rows]

    def again(self, places: Sequence[int]) -> list[Chosen | Made]:
        """Return other rows for some places of the last draw, each of the part it was of.

        A row that was made is made again from its own parameters; one that was chosen gives way to
        the next best, or to the next that is near to its point.
        """
        rows = self._serving.rows
        for place in places:
            last, number = rows[place]
            own = last.parameters if isinstance(last, Made) else None
            rows[place] = (self._row(last.part, own, number), number)
        return [rows[place][0] for place in places]

    def _row(self, part: int, parameters: Mapping[str, float] | None, number: int) -> Chosen | Made:
        """Return the next row of a part for the draw that is served, in place of row ``number``."""
        place = self._serving.used[part]
        self._serving.used[part] += 1
        if parameters is not None:
            return Made(part, parameters, self._key(self._parts[part].name, place))
        ranked = self._serving.ranked.get(part)
        if ranked is not None:
            return Chosen(part, ranked.take(number))
        return Chosen(part, self._order.take(part))

    def _next_part(self, shares: Mapping[int, float]) -> int:
        total = sum(shares.values())
        for part, share in shares.items():
            self._behind[self._parts[part].name] += share / total
        part = max(shares, key=lambda each: self._behind[self._parts[each].name])
        self._behind[self._parts[part].name] -= 1.0
        return part

    def _key(self, name: str, place: int) -> int:
        return seed_of("generated", self._seed, name, self._serving.number, place) >> 1

    def _shares(self, draw: Draw) -> dict[int, float]:
        """Return the parts a draw may take rows of, with their weights."""
        names = [part.name for part in self._parts]
        for kind, given in (("weights", draw.weights), ("parameters", draw.parameters)):
            for name in given or {}:
                if name not in names:
                    raise StageError(
                        f"a draw's {kind} name the part '{name}'; data_mix.train has "
                        f"{', '.join(names)}"
                    )
        for name in draw.parameters or {}:
            part = self._parts[names.index(name)]
            if part.generate is None:
                raise StageError(
                    f"a draw gives parameters for the part '{name}', but its source "
                    f"sources.{part.source} makes no rows from parameters"
                )
        own = self._order.shares
        weights = dict(zip(names, own, strict=True)) if draw.weights is None else draw.weights
        return {
            place: float(weights[name])
            for place, name in enumerate(names)
            if weights.get(name, 0.0) > 0
        }

    def column(self, name: str) -> dict[str, Numbers]:
        """Return part → a column of its rows as numbers, one that is missing being NaN."""
        return {rows.share.name: rows.column(name) for rows in self._rows}

    @property
    def used(self) -> bool:
        """Return whether a draw was served."""
        return self._number > 0

    def state_dict(self) -> dict[str, Any]:
        """Return how many draws were served, and what each part has to catch up."""
        return {"number": self._number, "behind": dict(self._behind)}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on where :meth:`state_dict` was taken, or before the first draw (None)."""
        self._number = int(state["number"]) if state else 0
        behind = state["behind"] if state else {}
        self._behind = {part.name: float(behind.get(part.name, 0.0)) for part in self._parts}
