"""Episodes played by the worked solver of their game: what conversations are taught from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from etude.tasks.calculator import Calculator
from etude.tasks.facts import Facts
from etude.tasks.game import Game, Messages
from etude.tasks.guess_number import GuessNumber
from etude.tasks.points_moves import PointsMoves
from etude.tasks.sokoban_moves import SokobanMoves
from etude.tasks.wordle import Wordle
from etude.tool_calls import Call

#: The games with a worked solver, by the name of their environment.
GAMES: dict[str, type[Game]] = {
    "calculator": Calculator,
    "general_points": PointsMoves,
    "guess_number": GuessNumber,
    "search": Facts,
    "sokoban": SokobanMoves,
    "wordle": Wordle,
}

#: Turns after which an episode that its solver does not end is no demonstration.
_TURNS = 200

#: How a call of a tool is written, of its name and its arguments.
Writer = Callable[[str, Mapping[str, Any]], str]


def played(
    game: Any, seed: int, columns: Mapping[str, Any], write: Writer, reply_as: str = "tool"
) -> tuple[Messages, Messages] | None:
    """Return what a solved episode begins with, and its turns with what is told between them.

    None where the solver does not reach the goal. What the last turn is answered with is left out.
    """
    begun = game.reset(seed, **columns)
    turns: Messages = []
    while not game.done and len(turns) < _TURNS:
        turn = game.worked()
        if isinstance(turn, Call):
            said = getattr(game, turn.name)(**turn.arguments)
            turns.append({"role": "assistant", "content": write(turn.name, turn.arguments)})
            turns.append({"role": reply_as, "content": said})
        elif turn is None:
            return None
        else:
            turns += [{"role": "assistant", "content": turn}, *game.step(turn)[0]]
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()
    return (begun, turns) if game.parts()["accuracy"] == 1.0 else None
