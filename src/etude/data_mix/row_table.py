"""Whole numbers of rows, in arrays: a few bytes a row, so that a million of them are cheap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class RowTable:
    """Row id → a whole number in each of some columns.

    A row that was added never leaves, and keeps its place: what else is known of rows may be kept
    in arrays by the same places.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = {name: number for number, name in enumerate(columns)}
        self._places: dict[str, int] = {}
        self._numbers = np.zeros((len(self._columns), 64), dtype=np.int32)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def places(self) -> dict[str, int]:
        """Return row id → its place, in the order of places."""
        return self._places

    def column(self, name: str) -> NDArray[np.int32]:
        """Return a column of all rows, in the order of places; what is written there stays."""
        return self._numbers[self._columns[name], : len(self)]

    def add(self, row: str) -> int:
        """Return the place of a row, a new one with all numbers 0 where it has none."""
        place = self._places.get(row)
        if place is None:
            place = self._places[row] = len(self._places)
            if place == self._numbers.shape[1]:
                self._numbers = np.hstack([self._numbers, np.zeros_like(self._numbers)])
        return place

    def of(self, place: int) -> list[int]:
        """Return the numbers of the row at a place, in the order of the columns."""
        numbers: list[int] = self._numbers[:, place].tolist()
        return numbers

    def put(self, place: int, numbers: Iterable[int]) -> None:
        """Set the numbers of the row at a place."""
        self._numbers[:, place] = list(numbers)

    def state_dict(self) -> dict[str, Any]:
        """Return the ids and, ``[columns, rows]``, their numbers."""
        numbers = torch.from_numpy(self._numbers[:, : len(self)].copy())
        return {"rows": list(self._places), "numbers": numbers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._places = {row: place for place, row in enumerate(state["rows"])}
        room = np.zeros((len(self._columns), max(64, len(self))), dtype=np.int32)
        room[:, : len(self)] = state["numbers"].numpy()
        self._numbers = room
