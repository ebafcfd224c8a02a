"""Columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.errors import DataError


def numbers(values: Sequence[Any], column: str) -> NDArray[np.float64]:
    """Return a column as finite numbers; raises DataError with the first that is none."""
    found = np.full(len(values), np.nan)
    for place, value in enumerate(values):
        try:
            found[place] = float(value)
        except (TypeError, ValueError):
            continue
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise DataError(
            f"the column '{column}' is {values[int(bad[0])]!r} in row {int(bad[0])}, which is no "
            f"finite number ({len(bad)} of {len(values)} rows)"
        )
    return found
