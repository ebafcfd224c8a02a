"""One part of a mix: the rows a source gives it, filtered, without a copy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.component import option
from etude.errors import DataError
from etude.sources.interface import Rows, Source


@dataclass(frozen=True)
class Part:
    """Rows of one source that belong to a mix, and their share in it."""

    source: str | None = option(None, "key in sources; null: the part's own key")
    split: str | None = option(None, "split of the source; null: train, or test when held out")
    weight: float | None = option(
        None, "share of the rows in relation to the other parts; null: its number of rows", gt=0
    )
    levels: list[int] | None = option(None, "only rows of these levels of difficulty; null: all")
    limit: int | None = option(None, "only so many rows, the first; null: all", ge=1)


@dataclass
class OpenPart:
    """A part's rows: which positions of which source's split count."""

    name: str
    source: str
    split: str
    rows: Rows
    positions: NDArray[np.int64]
    weight: float | None

    def __len__(self) -> int:
        return len(self.positions)

    def row(self, position: int) -> Mapping[str, Any]:
        """Return the row at ``position`` of the part."""
        return self.rows[int(self.positions[position])]

    def prompt_keys(self) -> NDArray[np.uint64]:
        """Return a 64-bit key of every prompt, equal for prompts that read the same."""
        prompts = self.rows.column("prompt", self.positions)
        return np.array([prompt_key(prompt) for prompt in prompts], dtype=np.uint64)

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop the rows where ``kept`` is false."""
        self.positions = self.positions[kept]


def prompt_key(prompt: str) -> int:
    """Return a 64-bit hash of a prompt without regard to case, spacing and Unicode form."""
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", prompt).casefold()).strip()
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def open_part(
    name: str,
    part: Part,
    where: str,
    default_split: str,
    sources: Mapping[str, Source],
    seed: int,
    folders: Mapping[str, Path],
) -> OpenPart:
    """Return a part's rows; raises DataError naming the part's key when there are none."""
    key = part.source or name
    if key not in sources:
        known = ", ".join(sorted(sources)) or "none"
        raise DataError(f"data_mix.{where}.{name}: there is no source '{key}'; there are {known}")
    source = sources[key]
    folder = folders.get(getattr(source, "from_stage", None) or key)
    split = part.split or default_split
    rows = source.rows(split, seed, folder, key)
    positions: NDArray[np.int64] = np.arange(len(rows))
    if part.levels is not None:
        levels = rows.column("level")
        positions = positions[np.isin(_level_array(levels), part.levels)]
        if len(positions) == 0:
            there = sorted({level for level in levels if level is not None})
            raise DataError(
                f"data_mix.{where}.{name}.levels={part.levels}: sources.{key} has no row of these"
                f" levels; it has {there or 'no levels'}"
            )
    if part.limit is not None:
        positions = positions[: part.limit]
    return OpenPart(name, key, split, rows, positions, part.weight)


def _level_array(levels: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([-1 if level is None else level for level in levels], dtype=np.int64)
