"""Every row is visited once before any is visited again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.data_mix.sampling.kind import RowSampling, Weighed


@component()
@dataclass(frozen=True)
class Passes(RowSampling):
    """Whole passes over the rows, each in an order of its own."""

    def columns(self) -> tuple[str, ...]:
        """Return no column."""
        return ()

    def weigh(self, rows: Mapping[str, Sequence[Any]]) -> Weighed:
        """Return that rows are visited pass by pass."""
        return Weighed()
