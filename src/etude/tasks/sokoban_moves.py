"""Sokoban played move by move: the room is shown, actions are named, the room is shown again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from etude.tasks.game import READ, Game, Messages, told
from etude.tasks.sokoban import BOX_ON_TARGET, DIRECTIONS, TARGET, Room, shortest_path
from etude.tasks.sokoban_rooms import displaced, fixed_layer, is_held_out

#: By level: the side of a room, its boxes, and the most actions that its shortest solution takes.
SIZES = ((5, 1, 3), (6, 1, 8), (6, 2, 16), (8, 2, 30))

#: A box on its target, in ASCII.
DONE = "*"

NO_MOVE, SOLVED = "no move", "solved"

_TRIES = 2000
_WORD = re.compile(r"[a-z]+", re.ASCII)


class SokobanMoves(Game):
    """Push every box of a room onto a target, an action or several a turn.

    A turn names actions, ``Up``, ``Down``, ``Left`` and ``Right``, at most ``at_once``; it is
    answered with the room. One that names none, too many, or anything else is answered with
    "no move"; one that moves nothing is legal. ``limit`` is the most turns, by default twice the
    actions of the shortest solution and two.
    """

    levels = len(SIZES)
    kept_out = frozenset({"limit", "at_once"})

    def __init__(self, limit: int | None = None, at_once: int = 1) -> None:
        super().__init__()
        self.limit = limit
        self.at_once = at_once
        self.first: list[str] = []
        self.lines: list[str] = []
        self.most = 0

    def reset(
        self,
        seed: int,
        level: int = 1,
        split: str = "train",
        room: Sequence[str] | None = None,
    ) -> Messages:
        """Begin in a room of a level, or in ``room``; raises ValueError where it is unsolvable.

        Rooms of the split ``test`` have walls, floor and targets that no other's have.
        """
        random = self._begin(seed, level)
        begun = Room.read([line.replace(DONE, BOX_ON_TARGET) for line in room]) if room else None
        begun = begun or made(random, level, split == "test")
        way = shortest_path(begun)
        if not way:
            raise ValueError("the room has no solution, or is solved")
        self.first = self.lines = begun.lines
        self.most = self.limit or 2 * len(way) + 2
        return told(_shown(begun))

    def step(self, text: str) -> tuple[Messages, bool]:
        """Hear actions and show the room."""
        self.turns += 1
        words = _WORD.findall(text[:READ].lower())
        names = [name.lower() for name in DIRECTIONS]
        room = Room.read(self.lines)
        if not 1 <= len(words) <= self.at_once or not set(words) <= set(names):
            reply = self._refuse(NO_MOVE) + "\n"
        else:
            for word in words:
                room = room if room.solved else room.after(names.index(word) + 1)
            self.solved = room.solved
            reply = f"{SOLVED}\n" if room.solved else _shown(room)
        self.lines = room.lines
        self.done = self.solved or self.turns >= self.most
        return told(reply), self.done

    def parts(self) -> dict[str, float]:
        """Return the named rewards; ``boxes`` is the share of boxes on targets."""
        room = Room.read(self.lines)
        placed = sum(room.fixed[box] == TARGET for box in room.boxes)
        return {**super().parts(), "boxes": placed / len(room.boxes)}

    def worked(self) -> str | None:
        """Return the next action of the shortest way from here, None where there is none."""
        way = shortest_path(Room.read(self.lines))
        return DIRECTIONS[way[0] - 1] if way else None

    def goal_of(self, messages: Messages) -> Mapping[str, Any] | None:
        """Return the room whose targets lie where the boxes came to, None where none was moved."""
        begun, ended = Room.read(self.first), Room.read(self.lines)
        if self.solved or begun.boxes == ended.boxes:
            return None
        bare = begun.fixed.replace(TARGET, "_")
        fixed = "".join(TARGET if place in ended.boxes else cell for place, cell in enumerate(bare))
        return {"room": Room(begun.width, fixed, begun.boxes, begun.player).lines}


def made(random: Random, level: int, held_out: bool) -> Room:
    """Return a room of a level, to be solved in at most as many actions as the level says.

    A hash of its walls, floor and targets decides whether it is one that is held out.
    """
    size, boxes, longest = SIZES[level - 1]
    for _ in range(_TRIES):
        layer = fixed_layer(random, size, boxes)
        if layer is None or is_held_out(layer[0]) != held_out:
            continue
        room = displaced(random, *layer, size, longest)
        if room is not None and shortest_path(room, longest):
            return room
    raise ValueError(f"no room of level {level} was found in {_TRIES} tries")


def _shown(room: Room) -> str:
    return "\n".join(room.lines).replace(BOX_ON_TARGET, DONE) + "\n"
