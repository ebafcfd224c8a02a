"""Sokoban rooms and the next action of their shortest solution, in one of several vocabularies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from etude.component import component, option
from etude.errors import DataError
from etude.randomness import seed_of
from etude.sources.interface import PARAMETRIC, StageRows
from etude.sources.made import of_split, wholes, within
from etude.tasks import sokoban_labels as labels
from etude.tasks.sokoban import Room, shortest_path
from etude.tasks.sokoban_rooms import displaced, fixed_layer, is_held_out

#: Rooms that are tried for one: of each some are of the other side, and some cannot be displaced.
_ATTEMPTS = 200

#: Parameter → (least value, greatest value); a number between two whole ones stands for both.
PARAMETERS: Mapping[str, tuple[float, float]] = {"size": (5.0, 10.0), "boxes": (1.0, 3.0)}

#: The value of a parameter that is not given.
USUAL: Mapping[str, float] = {"size": 6, "boxes": 1}

COLUMNS = (
    *("id", "prompt", "solution", "answer", "actions", "room", "board", "cells", "answers"),
    *("space", "level"),
)


@dataclass(frozen=True)
class Kind:
    """What the rooms of a split are: their sizes, their boxes, and what actions are called.

    Rooms have the sizes in turn, and each row one of the spaces of labels; ``announced`` is the
    space that prompts show where another is scored by.
    """

    sizes: tuple[int, ...] = (6,)
    boxes: int = 1
    spaces: tuple[str, ...] = ("base",)
    announced: str | None = None


#: Splits that are trained on.
TRAINING: dict[str, Kind] = {
    "train": Kind(),
    "mixed": Kind(spaces=("base", "cardinal", "alphabetical", "numerical")),
    "diverse": Kind(spaces=(labels.WORDS,)),
}

#: Splits that are only measured on.
TESTS: dict[str, Kind] = {
    "test": Kind(),
    "larger": Kind(sizes=(10,)),
    "two_boxes": Kind(boxes=2),
    "complex": Kind(sizes=(10,), boxes=2),
    "sizes": Kind(sizes=(5, 6, 7, 8, 9, 10)),
    "cardinal": Kind(spaces=("cardinal",)),
    "emoji": Kind(spaces=("emoji",)),
    "numerical": Kind(spaces=("numerical",)),
    "alphabetical": Kind(spaces=("alphabetical",)),
    "random": Kind(spaces=("random",)),
    "fake_numerical": Kind(announced="numerical"),
}


@component(
    source="arXiv 2510.00237",
    provides=(
        *(f"column:{name}" for name in COLUMNS),
        *(f"split:{name}" for name in (*TRAINING, *TESTS)),
        PARAMETRIC,
        "characters:1400",
    ),
)
@dataclass(frozen=True)
class Sokoban:
    """Generated Sokoban rooms, a row for each state on the way to a solution, with the next action.

    The solution is the shortest, of several the first by up, down, left, right. ``train`` calls
    actions Up, Down, Left and Right, ``mixed`` by one of four vocabularies a row, ``diverse`` by
    four words drawn for the row; prompts say which. The other splits are measured on: ``test``,
    ``larger`` (10×10), ``two_boxes``, ``complex`` (both), ``sizes`` (5×5 to 10×10), ``cardinal``,
    ``emoji``, ``numerical``, ``alphabetical``, ``random``, and ``fake_numerical``, whose prompts
    announce 1 to 4 while Up, Down, Left and Right are scored by. A hash of walls, floor and targets
    decides whether a room is trained on or held out. ``actions`` holds what is right, ``level`` how
    many actions are left, ``board`` the room as in prompts and ``cells`` without blanks.
    """

    example: ClassVar[str] = "recipe=rl data_mix=sokoban verifier=sokoban"

    seed: int = option(0, "draws rooms and words", ge=0, le=2**63 - 1)
    train_rooms: int = option(1_000, "most rooms of a training split", ge=1, le=1_000_000)
    test_rooms: int = option(100, "most rooms of any other split", ge=1, le=1_000_000)
    horizon: int = option(1, "actions that a row asks for", ge=1, le=100)
    search_depth: int = option(
        30, "most moves by which boxes are pulled from their targets", ge=1, le=300
    )
    prompt_format: str = option(
        "You solve Sokoban: push every box onto a target. The cells are # wall, _ floor, O target,"
        " X box, √ box on a target, P you, S you on a target.\n"
        "1. Boxes are pushed and never pulled.\n2. Nothing enters a wall.\n\n{answers}\n"
        "Rewards: -0.1 for a move, +1 for a box on a target, +10 once all are.\n\n{board}\n\n"
        "Think within <think> and </think>, then give the next {count} within <answer> and"
        " </answer>.\n",
        "prompt text; {answers} are the labels of actions, {board} is the room and {count} says how"
        " many actions are asked for",
        form="filled",
        escapes=True,
    )

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "sokoban"
    ) -> SokobanRows:
        """Return the rows of a split, drawn from the own seed; raises DataError for another."""
        kind = of_split({**TRAINING, **TESTS}, split, key)
        rooms = self.train_rooms if split in TRAINING else self.test_rooms
        states = _states(kind, self.seed, rooms, self.search_depth, self.horizon, split in TESTS)
        return SokobanRows(self, kind, states)

    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """Return what :meth:`generate` reads: name → (least value, greatest value)."""
        return PARAMETERS

    def generate(self, parameters: Mapping[str, float], key: int) -> Mapping[str, Any]:
        """Return the first state of a room of ``size`` × ``size`` cells with ``boxes`` boxes.

        A parameter between two whole numbers is one or the other, so often that it is right on
        average. ``key`` alone decides which room it is. It is never one that is held out. Raises
        DataError for a parameter that there is not or that is out of range.
        """
        asked = {**USUAL, **within(PARAMETERS, parameters, "sokoban")}
        random = Random(seed_of("sokoban by parameters", key))
        size, boxes = wholes(PARAMETERS, asked, random.random).values()
        found = _solved_room(random, size, boxes, self.search_depth, self.horizon, held_out=False)
        if found is None:
            raise DataError(f"sokoban: no room with the parameters {asked} could be made")
        return self.row(TRAINING["train"], *found)

    def row(self, kind: Kind, room: Room, way: tuple[int, ...]) -> Mapping[str, Any]:
        """Return the row of a room in which ``way`` is to be gone."""
        digest = _digest(room)
        space = kind.spaces[digest % len(kind.spaces)]
        words = labels.labels_of(space, self.seed, digest)
        said = labels.labels_of(kind.announced, self.seed, digest) if kind.announced else words
        answer = labels.words_of(way[: self.horizon], words)
        return {
            "id": self.ident(kind, room),
            "prompt": self.prompt(room, said),
            "solution": f"<think> </think> <answer> {answer} </answer>",
            "answer": answer,
            "actions": list(way[: self.horizon]),
            "room": room.lines,
            "board": room.text,
            "cells": "\n".join(room.lines),
            "answers": labels.answers_block(said),
            "space": list(words) if space == labels.WORDS else space,
            "level": len(way),
        }

    def ident(self, kind: Kind, room: Room) -> str:
        """Return what a row is known by: its room, its vocabulary, and what prompts say it is."""
        digest = _digest(room)
        space = kind.spaces[digest % len(kind.spaces)]
        said = f"?{kind.announced}" if kind.announced else ""
        return f"{room.width}x{room.width}-{digest:016x}={space}{said}"

    def prompt(self, room: Room, said: Sequence[str]) -> str:
        """Return the prompt of a room whose actions are called as said."""
        count = "action" if self.horizon == 1 else f"{self.horizon} actions"
        text = self.prompt_format.replace("{answers}", labels.answers_block(said))
        return text.replace("{count}", count).replace("{board}", room.text)

    def first_look(self, split: str, key: str = "sokoban") -> tuple[SokobanRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the rooms are made, not read."""
        return []


class SokobanRows(Sequence[Mapping[str, Any]]):
    """States of solved rooms; texts are made when a row is read."""

    def __init__(
        self, source: Sokoban, kind: Kind, states: Sequence[tuple[Room, tuple[int, ...]]]
    ) -> None:
        self._source = source
        self._kind = kind
        self._states = states

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row of the state at ``position``."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self._source.row(self._kind, *self._states[position])

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        if name not in COLUMNS:
            raise DataError(f"sokoban has no column '{name}'; it has {', '.join(COLUMNS)}")
        places = range(len(self)) if positions is None else positions
        return [self[int(place)][name] for place in places]


@lru_cache(maxsize=32)
def _states(
    kind: Kind, seed: int, rooms: int, depth: int, horizon: int, held_out: bool
) -> tuple[tuple[Room, tuple[int, ...]], ...]:
    """Return the states on the ways through a split's rooms, each once, with the way from there.

    A room depends on its number alone, so fewer rooms are the beginning of more.
    """
    found: dict[Room, tuple[int, ...]] = {}
    for number in range(rooms):
        size = kind.sizes[number % len(kind.sizes)]
        random = Random(seed_of("sokoban room", seed, size, kind.boxes, number))
        made = _solved_room(random, size, kind.boxes, depth, horizon, held_out=held_out)
        for room, way in _along(*made) if made else ():
            if len(way) >= horizon:
                found.setdefault(room, way)
    return tuple(found.items())


def _along(room: Room, way: tuple[int, ...]) -> Iterator[tuple[Room, tuple[int, ...]]]:
    """Yield each state on a way that is not yet its end, with what is left of it."""
    for place, action in enumerate(way):
        yield room, way[place:]
        room = room.after(action)


def _solved_room(
    random: Random, size: int, boxes: int, depth: int, horizon: int, *, held_out: bool
) -> tuple[Room, tuple[int, ...]] | None:
    """Return a room of one side and its shortest solution, None where none came of many tries."""
    for _ in range(_ATTEMPTS):
        layer = fixed_layer(random, size, boxes)
        if layer is None or is_held_out(layer[0]) != held_out:
            continue
        room = displaced(random, *layer, size, depth)
        way = None if room is None else shortest_path(room)
        if room is not None and way is not None and len(way) >= horizon:
            return room, way
    return None


def _digest(room: Room) -> int:
    text = "\n".join(room.lines).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
