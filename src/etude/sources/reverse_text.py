"""Texts to read backwards, generated: words of vowels and consonants in turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from etude.component import Rule, component, option
from etude.errors import DataError
from etude.randomness import seed_of
from etude.sources.interface import StageRows
from etude.sources.made import of_split

#: One text in five is held out, by a hash of it.
_HELD_OUT_SHARE = 5

#: Texts that are drawn for a row before it is left out: short ones are soon all there.
_ATTEMPTS = 100

_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnprstvwz"

SPLITS = {"train": False, "test": True}
COLUMNS = ("id", "prompt", "text", "answer", "solution", "words")


@component(
    source="the example reverse_text of prime-rl (github.com/PrimeIntellect-ai/prime-rl)",
    provides=(
        *(f"column:{name}" for name in COLUMNS),
        *(f"split:{name}" for name in SPLITS),
        "characters:600",
    ),
)
@dataclass(frozen=True)
class ReverseText:
    """Generated texts of words that are none of any language, and the same read backwards.

    A hash of the text decides whether it is trained on or held out; within a split none occurs
    twice, so there are fewer rows than asked for where texts are very short. ``answer`` is the text
    backwards, ``solution`` the same in tags, ``words`` the number of its words.
    """

    example: ClassVar[str] = "recipe=reverse_text"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("least_words <= most_words", "is more than {path}.most_words={most_words}"),
        Rule("least_letters <= most_letters", "is more than {path}.most_letters={most_letters}"),
    )

    seed: int = option(0, "draws the texts", ge=0, le=2**63 - 1)
    train_size: int = option(10_000, "most rows of the split train", ge=1, le=1_000_000)
    test_size: int = option(500, "most rows of the split test", ge=1, le=1_000_000)
    least_words: int = option(4, "words of the shortest text", ge=1, le=20)
    most_words: int = option(10, "words of the longest text", ge=1, le=20)
    least_letters: int = option(2, "letters of the shortest word", ge=1, le=12)
    most_letters: int = option(8, "letters of the longest word", ge=1, le=12)

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "reverse_text"
    ) -> TextRows:
        """Return the rows of a split, drawn from the own seed; raises DataError for another."""
        of_split(SPLITS, split, key)
        size = self.train_size if split == "train" else self.test_size
        words = (self.least_words, self.most_words)
        letters = (self.least_letters, self.most_letters)
        return TextRows(_texts(split, self.seed, size, words, letters))

    def first_look(self, split: str, key: str = "reverse_text") -> tuple[TextRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the texts are made, not read."""
        return []


class TextRows(Sequence[Mapping[str, Any]]):
    """Texts as rows."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row of the text at ``position``."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        text = self._texts[position]
        return {
            "id": text,
            "prompt": text,
            "text": text,
            "answer": text[::-1],
            "solution": f"<reversed_text>\n{text[::-1]}\n</reversed_text>",
            "words": text.count(" ") + 1,
        }

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        if name not in COLUMNS:
            raise DataError(f"reverse_text has no column '{name}'; it has {', '.join(COLUMNS)}")
        places = range(len(self)) if positions is None else positions
        return [self[int(place)][name] for place in places]


@lru_cache(maxsize=16)
def _texts(
    split: str, seed: int, size: int, words: tuple[int, int], letters: tuple[int, int]
) -> tuple[str, ...]:
    """Return the texts of a split; fewer are the beginning of more."""
    found: dict[str, None] = {}
    left_out = 0
    for number in range(size):
        random = Random(seed_of("reverse text", seed, split, number))
        for _ in range(_ATTEMPTS):
            text = " ".join(
                _word(random, random.randint(*letters)) for _ in range(random.randint(*words))
            )
            held_out = seed_of("text to reverse", text) % _HELD_OUT_SHARE == 0
            if held_out == SPLITS[split] and text not in found:
                found[text] = None
                break
        else:
            left_out += 1
            if left_out == 20:  # there are no more of them, or hardly any
                break
    return tuple(found)


def _word(random: Random, letters: int) -> str:
    first = random.randrange(2)
    kinds = (_VOWELS, _CONSONANTS)
    return "".join(random.choice(kinds[(first + place) % 2]) for place in range(letters))
