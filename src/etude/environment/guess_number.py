"""Guess a number: the plainest environment of several turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import Need, component, option
from etude.environment.interface import OWN_ROWS, Environment
from etude.tasks import guess_number


@component(
    requires=[Need(OWN_ROWS, why="to think of numbers")],
    provides=["part:accuracy", "part:legal", "part:speed"],
)
@dataclass(frozen=True)
class GuessNumber(Environment):
    """Guess a number; each guess is answered with higher, lower or right.

    Level n (1 to 9) has numbers up to 2 to the power n + 1, less one, and n + 1 guesses, which
    always suffice. Parts: ``accuracy`` (1 once it is guessed), ``speed`` (the share of guesses that
    were left) and ``legal`` (the share of turns that were a number).
    """

    prompt: str = option(
        guess_number.PROMPT, "what is said first; {largest} is put in", form="filled", escapes=True
    )
    spare: int = option(0, "guesses more than suffice", ge=0, le=100)

    def make(self) -> Any:
        """Return a game for one episode."""
        return guess_number.GuessNumber(self.prompt, self.spare)
