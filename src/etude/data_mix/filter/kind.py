"""The slot of a mix: which rows are trained on, decided once, when the mix is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Filtered:
    """Which rows are kept, ``[rows]``, and what a log says of them."""

    kept: NDArray[np.bool_]
    findings: Mapping[str, float] = field(default_factory=dict)


class RowFilter(ABC):
    """Drops rows of a training part; held-out rows are never filtered."""

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Return the columns the filter reads."""

    @abstractmethod
    def choose(self, rows: Mapping[str, Sequence[Any]]) -> Filtered:
        """Return which rows of a part are kept, from its columns (at least one row)."""


def truth(value: Any) -> bool:
    """Return whether a column says yes: true, a number above 0, ``true``, ``yes`` or ``right``."""
    if isinstance(value, str):
        return value.strip().casefold() in ("true", "yes", "right", "correct", "1", "1.0")
    return value is not None and float(value) > 0


def share(flags: NDArray[np.bool_]) -> float:
    """Return the share of set flags; 0 of none."""
    return float(flags.mean()) if len(flags) else 0.0
