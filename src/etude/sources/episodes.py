"""Rows that are seeds and levels, for environments that make their problems themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.component import component, option
from etude.environment.interface import OWN_ROWS
from etude.errors import DataError
from etude.sources.interface import StageRows

SPLITS = ("train", "test")
COLUMNS = ("id", "prompt", "level", "split", "environment")


@component(
    provides=(
        *(f"column:{name}" for name in COLUMNS),
        *(f"split:{name}" for name in SPLITS),
        "characters:40",
        OWN_ROWS,
    )
)
@dataclass(frozen=True)
class Episodes:
    """Rows of a level and nothing else, from which an environment makes a problem.

    The seed that ``reset`` is given follows from a row's id, which says the split, the level and a
    number. ``level`` and ``split`` are columns, for environments that have levels and that hold
    problems out. Levels take turns, and so do environments.
    """

    seed: int = option(0, "another one gives other problems", ge=0, le=2**63 - 1)
    levels: list[int] = option([1], "levels that rows have, in turn", items=1)
    train_size: int = option(10_000, "rows of the split train", ge=1, le=10_000_000)
    test_size: int = option(500, "rows of the split test", ge=1, le=10_000_000)
    environments: list[str] | None = option(
        None, "which of environments rows name, in turn; null: none, so that environment plays them"
    )

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "episodes"
    ) -> EpisodeRows:
        """Return the rows of a split, which the own seed decides; raises DataError for another."""
        if split not in SPLITS:
            raise DataError(f"sources.{key} has no split '{split}'; it has {', '.join(SPLITS)}")
        return EpisodeRows(self, split)

    def first_look(self, split: str, key: str = "episodes") -> tuple[EpisodeRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the rows are made, not read."""
        return []


class EpisodeRows(Sequence[Mapping[str, Any]]):
    """Rows of one split; each is made when it is read."""

    def __init__(self, source: Episodes, split: str) -> None:
        self._source = source
        self._split = split

    def __len__(self) -> int:
        return self._source.train_size if self._split == "train" else self._source.test_size

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row at ``position``."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        source = self._source
        names = source.environments or [""]
        turn, place = divmod(position, len(names))
        number, kind = divmod(turn, len(source.levels))
        level, own = source.levels[kind], names[place]
        seeded = f" seed {source.seed}" if source.seed else ""
        name = " ".join(filter(None, (own, f"{self._split} {level}.{number}{seeded}")))
        row = {"id": name, "prompt": f"episode {name}", "level": level, "split": self._split}
        return {**row, "environment": own} if own else row

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        known = [each for each in COLUMNS if each != "environment" or self._source.environments]
        if name not in known:
            raise DataError(f"episodes has no column '{name}'; it has {', '.join(known)}")
        places = range(len(self)) if positions is None else positions
        return [self[int(place)][name] for place in places]
