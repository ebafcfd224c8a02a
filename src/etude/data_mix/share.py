"""One part of a mix: the rows a source gives it, filtered, without a copy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.component import option
from etude.errors import DataError
from etude.sources.interface import Rows, Source, StageRows


@dataclass(frozen=True)
class Share:
    """Rows of one source that belong to a mix, and their share in it."""

    source: str | None = option(None, "key in sources; null: the part's own key")
    split: str | None = option(None, "split of the source; null: train, or test when held out")
    weight: float | None = option(
        None, "share of the rows in relation to the other parts; null: its number of rows", gt=0
    )
    levels: list[int] | None = option(
        None, "only rows of these levels of difficulty; null: all", items=1
    )
    limit: int | None = option(None, "only so many rows, the first; null: all", ge=1)
    environment: str | None = option(
        None,
        "which of environments its rows are played with; null: as their column says",
        form="filled",
    )


@dataclass
class OpenShare:
    """A part's rows: which positions of which source's split count.

    ``generate`` makes rows of it from parameters and a key, None where its source cannot;
    ``ranges`` are the least and the greatest value of each parameter. ``probabilities`` say how
    likely each row is to be drawn; None visits them pass by pass.
    ``environment`` is what its rows are played with, None where they say it themselves.
    """

    name: str
    source: str
    split: str
    rows: Rows
    positions: NDArray[np.int64]
    weight: float | None
    generate: Callable[[Mapping[str, float], int], Mapping[str, Any]] | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    probabilities: NDArray[np.float64] | None = None
    environment: str | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def row(self, position: int) -> Mapping[str, Any]:
        """Return the row at ``position`` of the part."""
        row = self.rows[int(self.positions[position])]
        return row if self.environment is None else {**row, "environment": self.environment}

    def prompt_keys(self) -> NDArray[np.uint64]:
        """Return a 64-bit key of every prompt, equal for prompts that read the same."""
        prompts = self.rows.column("prompt", self.positions)
        return np.array([prompt_key(prompt) for prompt in prompts], dtype=np.uint64)

    def columns(self, names: Sequence[str]) -> dict[str, Sequence[Any]]:
        """Return columns of the part's rows, by name."""
        return {name: self.rows.column(name, self.positions) for name in names}

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Drop the rows where ``kept`` is false."""
        self.positions = self.positions[kept]


def prompt_key(prompt: str) -> int:
    """Return a 64-bit hash of a prompt without regard to case, spacing and Unicode form."""
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", prompt).casefold()).strip()
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def open_share(
    name: str,
    part: Share,
    where: str,
    default_split: str,
    sources: Mapping[str, Source],
    seed: int,
    folders: Mapping[str, StageRows],
) -> OpenShare:
    """Return a part's rows; raises DataError naming the part's key when there are none."""
    key = part.source or name
    if key not in sources:
        known = ", ".join(sorted(sources)) or "none"
        raise DataError(f"data_mix.{where}.{name}: there is no source '{key}'; there are {known}")
    source = sources[key]
    folder = folders.get(key)
    split = part.split or default_split
    rows = source.rows(split, seed, folder, key)
    positions = taken(part, rows)
    if part.levels is not None and len(positions) == 0:
        there = sorted({level for level in rows.column("level") if level is not None})
        raise DataError(
            f"data_mix.{where}.{name}.levels={part.levels}: sources.{key} has no row of these"
            f" levels; it has {there or 'no levels'}"
        )
    generate = getattr(source, "generate", None)
    declared = getattr(source, "parameters", None)
    ranges = declared() if generate is not None and declared is not None else {}
    return OpenShare(
        name,
        key,
        split,
        rows,
        positions,
        part.weight,
        generate,
        ranges,
        environment=part.environment,
    )


def taken(part: Share, rows: Rows) -> NDArray[np.int64]:
    """Return the positions of a source's rows that a part takes."""
    positions: NDArray[np.int64] = np.arange(len(rows))
    if part.levels is not None:
        positions = positions[np.isin(_level_array(rows.column("level")), part.levels)]
    return positions[: part.limit]


def _level_array(levels: Sequence[int | None]) -> NDArray[np.int64]:
    return np.array([-1 if level is None else level for level in levels], dtype=np.int64)
