"""Conversations in which the games that come with etude are played well: what SFT begins from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from etude.component import component, option
from etude.environment.interface import OWN_ROWS
from etude.errors import DataError
from etude.randomness import seed_of
from etude.sources.arithmetic import Arithmetic
from etude.sources.interface import StageRows
from etude.sources.made import of_split
from etude.tasks.worked import GAMES, played
from etude.tool_text import WRITERS

SPLITS = {"train": False, "test": True}
COLUMNS = ("id", "prompt", "turns", "solution", "answer", "level")

#: Rows without an episode after which no more are expected.
_IN_VAIN = 20


@component(
    provides=(
        *(f"column:{name}" for name in COLUMNS),
        *(f"split:{name}" for name in SPLITS),
        "characters:4000",
        OWN_ROWS,
    )
)
@dataclass(frozen=True)
class WorkedEpisodes:
    """Episodes of a game that its worked solver plays: the prompt, its turns and the replies.

    ``turns`` is the conversation after the prompt, ``solution`` its last turn and ``answer`` what
    is right, where the game has one. Problems of ``calculator`` are those of the source arithmetic;
    other games draw theirs from seeds. Levels take turns; no prompt with the same turns occurs
    twice in a split.
    """

    example: ClassVar[str] = "recipe=tool_use"

    game: str = option("guess_number", "which game is played", choices=tuple(GAMES))
    options: dict[str, Any] = option(
        {}, "options of the game, as its environment has them ({target: null})"
    )
    calls: str = option("plain", "how calls of tools are written", choices=tuple(WRITERS))
    reply_as: str = option("tool", "whose messages the answers of tools are (tool, user, …)")
    seed: int = option(0, "another one gives other episodes", ge=0, le=2**63 - 1)
    levels: list[int] = option([1], "levels that rows have, in turn", items=1, ge=1)
    train_size: int = option(5_000, "most rows of the split train", ge=1, le=1_000_000)
    test_size: int = option(200, "most rows of the split test", ge=1, le=1_000_000)

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "worked_episodes"
    ) -> WorkedRows:
        """Return the rows of a split; raises DataError for another, and for levels there are not.

        Fewer rows than are asked for come of a game that has no more episodes.
        """
        of_split(SPLITS, split, key)
        size = self.train_size if split == "train" else self.test_size
        options = tuple(sorted(self.options.items()))
        levels = tuple(self.levels)
        try:
            found = _made(
                self.game, options, (self.calls, self.reply_as), self.seed, levels, split, size
            )
        except (TypeError, ValueError) as error:
            raise DataError(f"sources.{key}: {self.game} cannot be played: {error}") from error
        if not found:
            raise DataError(f"sources.{key}: no episode of {self.game} was solved")
        return WorkedRows(found)

    def first_look(self, split: str, key: str = "worked_episodes") -> tuple[WorkedRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the rows are made, not read."""
        return []


class WorkedRows(Sequence[Mapping[str, Any]]):
    """Played episodes as rows."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row at ``position``."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self._rows[position]

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        if name not in COLUMNS:
            raise DataError(f"worked_episodes has no column '{name}'; it has {', '.join(COLUMNS)}")
        places = range(len(self)) if positions is None else positions
        return [self._rows[int(place)][name] for place in places]


@lru_cache(maxsize=8)
def _made(
    game: str,
    options: tuple[tuple[str, Any], ...],
    calls: tuple[str, str],
    seed: int,
    levels: tuple[int, ...],
    split: str,
    size: int,
) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a split; fewer are the beginning of more."""
    problem = _problems(game, seed, levels, split, size)
    known: set[tuple[str, ...]] = set()
    found: list[Mapping[str, Any]] = []
    in_vain = number = 0
    while len(found) < size and in_vain < _IN_VAIN:
        given = problem(number)
        number += 1
        if given is None:
            break
        columns, level = given
        thing = GAMES[game](**dict(options))
        own = seed_of("worked episode", game, seed, split, number)
        episode = played(thing, own, columns, WRITERS[calls[0]], calls[1])
        texts = () if episode is None else tuple(m["content"] for part in episode for m in part)
        if episode is None or texts in known:
            in_vain += 1
            continue
        in_vain = 0
        known.add(texts)
        begun, turns = episode
        found.append(
            {
                "id": f"{game} {split} {number}",
                "prompt": begun[-1]["content"],
                "turns": turns,
                "solution": turns[-1]["content"],
                "answer": str(columns.get("answer") or getattr(thing, "answer", "")),
                "level": level,
            }
        )
    return tuple(found)


def _problems(
    game: str, seed: int, levels: tuple[int, ...], split: str, size: int
) -> Callable[[int], tuple[dict[str, Any], int] | None]:
    """Return what gives the columns of the n-th episode and its level, None after the last."""
    if game != "calculator":
        held = {"split": split} if game in ("sokoban", "general_points") else {}

        def drawn(number: int) -> tuple[dict[str, Any], int]:
            level = levels[number % len(levels)]
            return {"level": level, **held}, level

        return drawn
    source = Arithmetic(seed=seed, levels=max(levels), train_size=size, test_size=size)
    rows = source.rows(split, seed)
    wanted = set(levels)
    places = [place for place, level in enumerate(rows.column("level")) if level in wanted]

    def problem(number: int) -> tuple[dict[str, Any], int] | None:
        if number >= len(places):
            return None
        row = rows[places[number]]
        return {"prompt": row["prompt"], "answer": row["answer"]}, row["level"]

    return problem
