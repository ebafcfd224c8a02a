"""Sokoban rooms: their text, their moves, and the shortest way to put every box on a target.

Cells are numbered row after row. Walls surround a room, so no move leaves it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

WALL, FLOOR, TARGET = "#", "_", "O"
BOX, BOX_ON_TARGET, PLAYER, PLAYER_ON_TARGET = "X", "√", "P", "S"

#: The actions, and what they mean.
ACTIONS = (1, 2, 3, 4)
DIRECTIONS = ("Up", "Down", "Left", "Right")

#: Where the player and the boxes are, and from where and by which action each state was reached.
State = tuple[int, frozenset[int]]
Came = dict[State, tuple[State | None, int]]

_ON_TARGET = (TARGET, BOX_ON_TARGET, PLAYER_ON_TARGET)


@dataclass(frozen=True)
class Room:
    """A room at one moment: its fixed layer (wall, floor or target), its boxes, its player."""

    width: int
    fixed: str
    boxes: frozenset[int]
    player: int

    @classmethod
    def read(cls, lines: Sequence[str]) -> Room:
        """Return the room of lines of symbols; raises ValueError where they are none."""
        cells = "".join(lines)
        width = len(lines[0]) if lines else 0
        if not width or any(len(line) != width for line in lines):
            raise ValueError("a room has lines of one length")
        known = {WALL, FLOOR, BOX, PLAYER, *_ON_TARGET}
        if strange := set(cells) - known:
            raise ValueError(f"a room has no {min(strange)!r}")
        players = [place for place, cell in enumerate(cells) if cell in (PLAYER, PLAYER_ON_TARGET)]
        edge = lines[0] + lines[-1] + "".join(line[0] + line[-1] for line in lines)
        if len(players) != 1 or set(edge) != {WALL}:
            raise ValueError("a room has one player and walls around it")
        boxes = [place for place, cell in enumerate(cells) if cell in (BOX, BOX_ON_TARGET)]
        fixed = "".join(
            WALL if cell == WALL else TARGET if cell in _ON_TARGET else FLOOR for cell in cells
        )
        return cls(width, fixed, frozenset(boxes), players[0])

    @cached_property
    def lines(self) -> list[str]:
        """Return the room as lines of symbols."""
        cells = list(self.fixed)
        for box in self.boxes:
            cells[box] = BOX_ON_TARGET if cells[box] == TARGET else BOX
        cells[self.player] = PLAYER_ON_TARGET if cells[self.player] == TARGET else PLAYER
        text = "".join(cells)
        return [text[at : at + self.width] for at in range(0, len(text), self.width)]

    @property
    def text(self) -> str:
        """Return the room as prompts show it: a space before each cell, a space and a tab after."""
        return "\n".join("".join(f" {cell} \t" for cell in line) for line in self.lines)

    @property
    def solved(self) -> bool:
        """Tell whether every box lies on a target."""
        return all(self.fixed[box] == TARGET for box in self.boxes)

    def step(self, action: int) -> int:
        """Return how far a cell is from its neighbour in the direction of an action."""
        return (-self.width, self.width, -1, 1)[action - 1]

    def after(self, action: int) -> Room:
        """Return the room after an action: the same where it moves nothing (0 moves nothing)."""
        if action not in ACTIONS:
            return self
        step = self.step(action)
        place = self.player + step
        if self.fixed[place] == WALL:
            return self
        if place not in self.boxes:
            return replace(self, player=place)
        beyond = place + step
        if self.fixed[beyond] == WALL or beyond in self.boxes:
            return self
        return replace(self, player=place, boxes=self.boxes - {place} | {beyond})


def shortest_path(room: Room, depth: int = 100) -> tuple[int, ...] | None:
    """Return the actions that solve a room, as few as there can be; None where none do.

    Of several the first in the order up, down, left, right is returned, as breadth-first search
    over whole states finds it; a solved room needs none. None is also the answer where more than
    ``depth`` actions are needed.
    """
    if room.solved:
        return ()
    alive, wall = _alive(room), WALL
    fixed, steps = room.fixed, [room.step(action) for action in ACTIONS]
    begin = (room.player, room.boxes)
    came: Came = {begin: (None, 0)}
    waiting = deque([(begin, 0)])
    while waiting:
        state, length = waiting.popleft()
        if length == depth:
            return None
        player, boxes = state
        for action, step in zip(ACTIONS, steps, strict=True):
            place = player + step
            if fixed[place] == wall:
                continue
            moved = boxes
            if place in boxes:
                beyond = place + step
                if beyond not in alive or beyond in boxes:
                    continue
                moved = boxes - {place} | {beyond}
            reached = (place, moved)
            if reached in came:
                continue
            came[reached] = (state, action)
            if moved is not boxes and all(fixed[box] == TARGET for box in moved):
                return _way(came, reached)
            waiting.append((reached, length + 1))
    return None


def _way(came: Came, reached: State | None) -> tuple[int, ...]:
    found: list[int] = []
    while reached is not None:
        reached, action = came[reached]
        found.append(action)
    return tuple(found[-2::-1])


def _alive(room: Room) -> set[int]:
    """Return the cells from which a box alone could be pushed to some target: others lose."""
    found = {place for place, cell in enumerate(room.fixed) if cell == TARGET}
    waiting = list(found)
    while waiting:
        place = waiting.pop()
        for action in ACTIONS:
            step = room.step(action)
            box, pusher = place - step, place - 2 * step
            if box in found or not 0 <= pusher < len(room.fixed):
                continue
            if room.fixed[box] != WALL and room.fixed[pusher] != WALL:
                found.add(box)
                waiting.append(box)
    return found
