"""Guess a word of a small made-up vocabulary, its letters marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import Need, component, option
from etude.environment.interface import OWN_ROWS, Environment
from etude.tasks import wordle


@component(
    requires=[Need(OWN_ROWS, why="to think of words")],
    provides=["part:accuracy", "part:legal", "part:letters"],
)
@dataclass(frozen=True)
class Wordle(Environment):
    """Guess a made-up word; each guess is answered with a mark for every letter.

    ``g`` is a letter in its place, ``y`` one that belongs elsewhere, ``-`` one there is no more of.
    Levels 1 to 4 have 16 words of 3 letters, 48 of 4, 120 and 300 of 5; they are the same in every
    episode. Parts: ``accuracy`` (1 once it is guessed), ``letters`` (the best guess's share of
    letters in place) and ``legal`` (the share of turns that were a word of the vocabulary).
    """

    prompt: str = option(
        wordle.PROMPT, "what is said first; {letters} is put in", form="filled", escapes=True
    )
    guesses: int = option(6, "guesses there are", ge=1, le=100)
    seed: int = option(0, "another one gives other words", ge=0, le=2**63 - 1)

    def make(self) -> Any:
        """Return a game for one episode."""
        return wordle.Wordle(self.prompt, self.guesses, self.seed)
