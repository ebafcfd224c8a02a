"""Every part gives rows by its own weight, from the first step to the last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component
from etude.data_mix.mixing.kind import Mixing


@component()
@dataclass(frozen=True)
class Fixed(Mixing):
    """Rows in proportion to each part's weight, or to its number of rows."""

    def weights(self, given: Mapping[str, float], progress: float) -> Mapping[str, float]:
        """Return the parts' own weights."""
        return given
