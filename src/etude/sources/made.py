"""What sources that make rows are asked for: splits and parameters that there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from etude.errors import DataError

#: Parameter → (least value, greatest value).
Ranges = Mapping[str, tuple[float, float]]

Kind = TypeVar("Kind")


def of_split(known: Mapping[str, Kind], split: str, key: str) -> Kind:
    """Return what is known of a split of the source ``key``; raises DataError for another."""
    if split not in known:
        raise DataError(f"sources.{key} has no split '{split}'; it has {', '.join(known)}")
    return known[split]


def within(ranges: Ranges, parameters: Mapping[str, float], source: str) -> dict[str, float]:
    """Return parameters as they were given.

    Raises DataError for one that the ``source`` does not have or that is out of its range.
    """
    for name, value in parameters.items():
        if name not in ranges:
            raise DataError(f"{source} has no parameter '{name}'; it has {', '.join(ranges)}")
        low, high = ranges[name]
        if not low <= value <= high:  # no number is in no range
            raise DataError(f"{source}'s parameter {name} is {value}; it is {low:g} to {high:g}")
    return {name: float(value) for name, value in parameters.items()}


def wholes(
    ranges: Ranges, asked: Mapping[str, float], uniform: Callable[[], float]
) -> dict[str, int]:
    """Return a whole number for each parameter of ``ranges``, in their order.

    One between two whole numbers is one or the other, so often that it is right on average;
    ``uniform`` draws from 0 to 1.
    """
    return {name: math.floor(asked[name] + uniform()) for name in ranges}
