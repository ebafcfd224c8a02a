"""Making Sokoban rooms: a walk that digs them, and a game played backwards that displaces boxes.

The procedure is that of gym-sokoban as RAGEN adapted it (github.com/RAGEN-AI/RAGEN): a random walk
stamps small masks of floor; targets are drawn with a box on each; a depth-first search over moves
that pull boxes keeps the state whose boxes were pulled in turns and lie far from their targets; the
player takes a few steps more.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from etude.randomness import seed_of
from etude.tasks.sokoban import ACTIONS, FLOOR, TARGET, WALL, Room

#: One room in five is held out.
_HELD_OUT_SHARE = 5


#: Steps of the walk, and how often it turns.
_WALK, _TURN = 25, 0.35

#: What a step of the walk digs around its cell: (rows down, columns right).
_MASKS = (
    ((0, -1), (0, 0), (0, 1)),
    ((-1, 0), (0, 0), (1, 0)),
    ((0, -1), (0, 0), (1, 0)),
    ((0, -1), (0, 0), (1, -1), (1, 0)),
    ((0, 0), (0, 1), (1, 0)),
)
_WAYS = ((1, 0), (0, 1), (-1, 0), (0, -1))

#: States after which the game that is played backwards ends.
_STATES = 20_000


def fixed_layer(random: Random, size: int, boxes: int) -> tuple[str, int] | None:
    """Return walls, floor and targets of a square room and where the player stands in it.

    None where the walk dug too few cells for the player and the targets.
    """
    floor = _dug(random, size)
    if len(floor) <= boxes + 1:
        return None
    player = floor.pop(_below(random, len(floor)))
    targets = [floor.pop(_below(random, len(floor))) for _ in range(boxes)]
    cells = [WALL] * (size * size)
    for place in (player, *floor):
        cells[place] = FLOOR
    for place in targets:
        cells[place] = TARGET
    return "".join(cells), player


def is_held_out(fixed: str) -> bool:
    """Tell whether rooms with these walls, floor and targets are only measured on, one in five."""
    return seed_of("fixed layer", fixed) % _HELD_OUT_SHARE == 0


def displaced(random: Random, fixed: str, player: int, size: int, depth: int) -> Room | None:
    """Return a room to solve whose boxes were pulled from its targets; None where none can be.

    ``depth`` is the most moves that are played backwards.
    """
    targets = tuple(place for place, cell in enumerate(fixed) if cell == TARGET)
    search = _Backwards(fixed, size, targets)
    search.play(player, targets, last=-1, swaps=0, left=depth)
    if search.best is None or not search.distance(search.best[1]):
        return None
    player, boxes = search.best
    begins = 0.8 if search.distance(boxes) == 1 else 0.5
    room = Room(size, fixed, frozenset(boxes), player)
    return _walked(random, room) if random.random() < begins else room


@dataclass
class _Backwards:
    """Sokoban played backwards: every state once, the best one kept."""

    fixed: str
    size: int
    targets: tuple[int, ...]

    def __post_init__(self) -> None:
        self.seen: set[tuple[int, frozenset[int]]] = set()
        self.best: tuple[int, tuple[int, ...]] | None = None
        self.score = 0
        self.steps = (-self.size, self.size, -1, 1)

    def distance(self, boxes: tuple[int, ...]) -> int:
        """Return the sum over boxes of rows and columns from their targets."""
        pairs = zip(boxes, self.targets, strict=True)
        return sum(
            abs(box // self.size - target // self.size) + abs(box % self.size - target % self.size)
            for box, target in pairs
        )

    def play(self, player: int, boxes: tuple[int, ...], last: int, swaps: int, left: int) -> None:
        """Visit a state and, while moves are left, those one move before it.

        ``boxes`` are in the order of their targets; ``last`` is the one pulled last and ``swaps``
        how often another one was pulled than before.
        """
        state = (player, frozenset(boxes))
        if state in self.seen or len(self.seen) >= _STATES:
            return
        self.seen.add(state)
        if player not in self.targets and not state[1] & set(self.targets):
            score = swaps * self.distance(boxes)
            if score > self.score:
                self.score, self.best = score, (player, boxes)
        if not left:
            return
        for step in self.steps:
            place = player + step
            if self.fixed[place] == WALL or place in state[1]:
                continue
            behind = player - step
            if behind not in state[1]:
                self.play(place, boxes, last, swaps, left - 1)
                continue
            pulled = boxes.index(behind)
            moved = (*boxes[:pulled], player, *boxes[pulled + 1 :])
            self.play(place, moved, pulled, swaps + (pulled != last), left - 1)


def _dug(random: Random, size: int) -> list[int]:
    """Return the floor of a room, in order: what a walk digs, without the border."""
    way = _WAYS[_below(random, 4)]
    row, column = 1 + _below(random, size - 1), 1 + _below(random, size - 1)
    floor: set[tuple[int, int]] = set()
    for _ in range(_WALK):
        if random.random() < _TURN:
            way = _WAYS[_below(random, 4)]
        row = min(max(row + way[0], 1), size - 2)
        column = min(max(column + way[1], 1), size - 2)
        mask = _MASKS[_below(random, len(_MASKS))]
        floor.update((row + down, column + right) for down, right in mask)
    inside = range(1, size - 1)
    return sorted(r * size + c for r, c in floor if r in inside and c in inside)


def _walked(random: Random, room: Room) -> Room:
    """Return a room whose player has taken one to three free steps, none of them back."""
    been = [room.player]
    for _ in range(3):
        places = [
            place
            for place in (been[-1] + room.step(action) for action in ACTIONS)
            if room.fixed[place] != WALL and place not in room.boxes and place not in been
        ]
        if not places:
            break
        been.append(places[_below(random, len(places))])
        if random.random() > 0.5:
            break
    return Room(room.width, room.fixed, room.boxes, been[-1])


def _below(random: Random, limit: int) -> int:
    """Return a uniform whole number below ``limit``, the same on every Python there is."""
    return int(random.random() * limit)
