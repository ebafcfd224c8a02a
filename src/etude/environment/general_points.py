"""General Points, played by moves that join two numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import Need, component, option
from etude.environment.interface import OWN_ROWS, Environment
from etude.tasks import points_moves


@component(
    requires=[Need(OWN_ROWS, why="to deal hands")],
    provides=["part:accuracy", "part:legal"],
)
@dataclass(frozen=True)
class GeneralPoints(Environment):
    """Make a target of cards: each turn joins two of the numbers left (``3*8``) by an operation.

    Level n (1 to 3) has n + 1 cards from 1 to 10; a turn is answered with the numbers left, the
    last one with right or wrong. One hand of three cards or more in five is held out by a hash.
    Parts: ``accuracy`` and ``legal`` (the share of turns that were a move).
    """

    target: int | None = option(
        points_moves.POINTS, "target of every hand; null: one that random moves make", ge=1, le=999
    )
    spare: int = option(2, "turns that may be no move before the episode ends", ge=0, le=100)

    def make(self) -> Any:
        """Return a hand for one episode."""
        return points_moves.PointsMoves(self.target, self.spare)
