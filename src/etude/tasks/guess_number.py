"""A number to be guessed: each guess is answered with higher, lower or right."""

from __future__ import annotations

import re

from etude.tasks.game import READ, Game, Messages, told

#: A number that could be meant: more digits are no guess.
_NUMBER = re.compile(r"(?<![\d.])\d{1,6}(?![\d.])", re.ASCII)

PROMPT = "Guess a number from 1 to {largest}.\n"
HIGHER, LOWER, RIGHT, NO_NUMBER = "higher", "lower", "right", "no number"


class GuessNumber(Game):
    """Guess a number from 1 to ``largest`` with as many guesses as halving needs.

    Level n has the numbers 1 to 2 to the power n + 1, less one: n + 1 guesses always suffice.
    ``spare`` guesses more may be allowed. A turn is heard by its only number; one that has none, or
    several, is answered with "no number" and takes a guess too.
    """

    levels = 9
    kept_out = frozenset({"prompt", "spare"})

    def __init__(self, prompt: str = PROMPT, spare: int = 0) -> None:
        super().__init__()
        self.prompt = prompt
        self.spare = spare
        self.number = 0
        self.low, self.high = 1, 1

    @property
    def largest(self) -> int:
        """Return the largest number that may be meant."""
        return 2 ** (self.level + 1) - 1

    @property
    def guesses(self) -> int:
        """Return how many guesses there are."""
        return self.level + 1 + self.spare

    def reset(self, seed: int, level: int = 1) -> Messages:
        """Think of a number of a level, and say between what."""
        random = self._begin(seed, level)
        self.low, self.high = 1, self.largest
        self.number = 1 + int(random.random() * self.largest)
        return told(self.prompt.replace("{largest}", str(self.largest)))

    def step(self, text: str) -> tuple[Messages, bool]:
        """Hear a guess: higher, lower, right, or that it was no number."""
        self.turns += 1
        found = _NUMBER.findall(text[:READ])
        reply = self._heard(int(found[0])) if len(found) == 1 else self._refuse(NO_NUMBER)
        self.done = self.solved or self.turns >= self.guesses
        return told(f"{reply}\n"), self.done

    def _heard(self, guess: int) -> str:
        if guess == self.number:
            self.solved = True
            return RIGHT
        if guess < self.number:
            self.low = max(self.low, guess + 1)
            return HIGHER
        self.high = min(self.high, guess - 1)
        return LOWER

    def parts(self) -> dict[str, float]:
        """Return the named rewards; ``speed`` is the share of guesses that were left."""
        speed = (self.guesses - self.turns) / self.guesses if self.solved else 0.0
        return {**super().parts(), "speed": speed}

    def worked(self) -> str:
        """Return the guess of a player who halves what is left."""
        return str((self.low + self.high) // 2)
