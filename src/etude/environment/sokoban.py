"""Sokoban, played move by move to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import Need, component, option
from etude.environment.interface import OWN_ROWS, Environment
from etude.tasks import sokoban_moves


@component(
    requires=[Need(OWN_ROWS, why="to dig rooms")],
    provides=["part:accuracy", "part:legal", "part:boxes"],
)
@dataclass(frozen=True)
class Sokoban(Environment):
    """Push every box onto a target; each turn names an action and is answered with the room.

    Actions are Up, Down, Left and Right. Levels 1 to 4 have a box in 5×5 cells (at most 3 actions),
    one in 6×6 (8), two in 6×6 (16) and two in 8×8 (30). One room in five is held out by a hash.
    Parts: ``accuracy`` (1 once it is solved), ``boxes`` (the share on targets) and ``legal`` (the
    share of turns that name an action).
    """

    limit: int | None = option(
        None, "most turns; null: twice the actions of the shortest solution, and two", ge=1
    )
    at_once: int = option(1, "most actions that a turn may name", ge=1, le=100)

    def make(self) -> Any:
        """Return a room for one episode."""
        return sokoban_moves.SokobanMoves(self.limit, self.at_once)
