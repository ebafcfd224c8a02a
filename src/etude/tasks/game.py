"""What the games that are played turn by turn have in common: their state, their replies, a solver.

A game is a plain object for one episode: ``reset`` begins it and returns what the player is told,
then either tools (typed public methods) are called or ``step`` hears what was said. Everything
random in it is drawn from the seed that it begins with.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from random import Random
from typing import Any

from etude.randomness import seed_of

#: Characters of a turn that are read: what a player means to say is shorter by far.
READ = 400

#: What a player is told: messages of role and content.
Messages = list[dict[str, str]]


class Game:
    """A game for one episode, whose state is its attributes: plain numbers, texts and lists.

    ``turns`` counts what was heard, ``illegal`` what of it was no legal move, and ``solved`` tells
    whether the goal was reached; ``done`` whether the game is over.
    """

    #: Levels there are, from 1.
    levels = 1

    def __init__(self) -> None:
        self.level = 1
        self.turns = 0
        self.illegal = 0
        self.solved = False
        self.done = False

    def _begin(self, seed: int, level: int) -> Random:
        """Set everything back and return the random numbers of an episode.

        Raises ValueError for a level that there is not.
        """
        if not 1 <= level <= self.levels:
            raise ValueError(f"level is 1 to {self.levels}, not {level}")
        self.level = level
        self.turns = self.illegal = 0
        self.solved = self.done = False
        return Random(seed_of(type(self).__name__, int(seed), level))

    def _refuse(self, why: str) -> str:
        """Count a turn that was no legal move, and return what its player is told."""
        self.illegal += 1
        return why

    @property
    def legal(self) -> float:
        """Return the share of turns that were legal moves."""
        return 1.0 - self.illegal / self.turns if self.turns else 0.0

    def parts(self) -> dict[str, float]:
        """Return the named rewards: whether the goal was reached, and the share of legal moves."""
        return {"accuracy": float(self.solved), "legal": self.legal}

    def state_dict(self) -> dict[str, Any]:
        """Return what an episode needs to go on."""
        return copy.deepcopy({k: v for k, v in vars(self).items() if k not in self.kept_out})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned, of a game with the same options."""
        vars(self).update(copy.deepcopy(dict(state)))

    def close(self) -> None:
        """Do nothing: a game holds nothing open."""

    #: Attributes that are options, and no state.
    kept_out: frozenset[str] = frozenset()


def told(text: str) -> Messages:
    """Return a reply of a game as messages."""
    return [{"role": "user", "content": text}]
