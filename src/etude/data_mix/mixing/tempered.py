"""Temperature mixing (T5, arXiv 1910.10683, §3.5.2): small parts count for more than their size.

    share_k ∝ min(n_k, limit)^(1 / temperature)

At 1 parts are mixed by size; the higher the temperature, the more alike are the shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etude.component import component, option
from etude.data_mix.mixing.kind import Mixing


@component(source="arXiv 1910.10683")
@dataclass(frozen=True)
class Tempered(Mixing):
    """Rows in proportion to a root of each part's weight, so that small parts are not drowned."""

    temperature: float = option(
        2.0, "1: by weight; the higher, the more alike the parts' shares", gt=0, le=1e6
    )
    limit: float | None = option(
        None, "a part counts at most like one of so many rows; null: no limit", gt=0
    )

    def weights(self, given: Mapping[str, float], progress: float) -> Mapping[str, float]:
        """Return the root of each part's weight, relative to the largest; the weights at 1."""
        limited = {
            name: weight if self.limit is None else min(weight, self.limit)
            for name, weight in given.items()
        }
        if self.temperature == 1.0:
            return limited
        most = max(limited.values())
        return {name: (weight / most) ** (1 / self.temperature) for name, weight in limited.items()}
