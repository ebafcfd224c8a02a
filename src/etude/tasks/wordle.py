"""A word of a small made-up vocabulary to be guessed, letter by letter marked.

A mark is ``g`` where the letter stands in its place, ``y`` where it belongs elsewhere, ``-`` where
the word has no more of it. Words are made of syllables by a hash and are none of any language; a
level's vocabulary is the same in every episode, so that it can be learned.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

from etude.randomness import seed_of
from etude.tasks.game import READ, Game, Messages, told

PROMPT = "Guess a word of {letters} letters.\n"
NO_WORD = "no word"

#: Letters of a word and words of the vocabulary, by level.
SIZES = ((3, 16), (4, 48), (5, 120), (5, 300))

_CONSONANTS, _VOWELS = "bdfgklmnprst", "aeiou"


@cache
def vocabulary(level: int, seed: int = 0) -> tuple[str, ...]:
    """Return the words of a level, sorted."""
    letters, count = SIZES[level - 1]
    random = Random(seed_of("wordle vocabulary", seed, level))
    found: set[str] = set()
    while len(found) < count:
        found.add("".join(_letter(random, place) for place in range(letters)))
    return tuple(sorted(found))


def _letter(random: Random, place: int) -> str:
    letters = _VOWELS if place % 2 else _CONSONANTS
    return letters[int(random.random() * len(letters))]


def marks(guess: str, word: str) -> str:
    """Return the marks of a guess; a letter is marked as often as the word has it."""
    left = Counter(letter for letter, mine in zip(word, guess, strict=True) if letter != mine)
    found = []
    for letter, right in zip(guess, word, strict=True):
        if letter == right:
            found.append("g")
        elif left[letter] > 0:
            left[letter] -= 1
            found.append("y")
        else:
            found.append("-")
    return "".join(found)


class Wordle(Game):
    """Guess a word of a level's vocabulary with ``guesses`` guesses.

    A guess is the turn without blanks at its ends, in whatever case. One that is no word of the
    vocabulary is answered with "no word" and takes a guess too.
    """

    levels = len(SIZES)
    kept_out = frozenset({"prompt", "guesses", "seed"})

    def __init__(self, prompt: str = PROMPT, guesses: int = 6, seed: int = 0) -> None:
        super().__init__()
        self.prompt = prompt
        self.guesses = guesses
        self.seed = seed
        self.word = ""
        self.best = 0.0
        self.heard: list[tuple[str, str]] = []

    def reset(self, seed: int, level: int = 1) -> Messages:
        """Think of a word of a level, and say how long it is."""
        random = self._begin(seed, level)
        words = vocabulary(level, self.seed)
        self.word = words[int(random.random() * len(words))]
        self.best, self.heard = 0.0, []
        return told(self.prompt.replace("{letters}", str(len(self.word))))

    def step(self, text: str) -> tuple[Messages, bool]:
        """Hear a guess and mark its letters."""
        self.turns += 1
        guess = text[:READ].strip().lower()
        if guess in vocabulary(self.level, self.seed):
            reply = marks(guess, self.word)
            self.heard.append((guess, reply))
            self.best = max(self.best, reply.count("g") / len(reply))
            self.solved = guess == self.word
        else:
            reply = self._refuse(NO_WORD)
        self.done = self.solved or self.turns >= self.guesses
        return told(f"{reply}\n"), self.done

    def parts(self) -> dict[str, float]:
        """Return the named rewards; ``letters`` is the best guess's share of letters in place."""
        return {**super().parts(), "letters": self.best}

    def worked(self) -> str:
        """Return the guess of a player who goes by every mark so far.

        Of the words that are still possible it is the one whose marks leave the fewest on average,
        the first of several.
        """
        words = [
            word
            for word in vocabulary(self.level, self.seed)
            if all(marks(guess, word) == found for guess, found in self.heard)
        ]
        return min(words, key=lambda guess: (_left(guess, words), guess))


@cache
def _marked(guess: str, word: str) -> str:
    return marks(guess, word)


def _left(guess: str, words: list[str]) -> int:
    """Return the sum of squares of how many words have the same marks for a guess."""
    return sum(count**2 for count in Counter(_marked(guess, word) for word in words).values())
