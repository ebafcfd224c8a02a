"""Made-up facts about made-up people, to be looked up one by one.

The people, their friends and all else are drawn for each episode, so no answer can be known by
heart: a question of n steps takes n look-ups. A key is ``color of bimo``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from etude.tasks.game import READ, Game, Messages, told
from etude.tool_calls import Call

PEOPLE = 12

#: What is known of a person, and what it may be; a friend is another person.
LINK = "friend"
VALUES = {
    "color": ("red", "blue", "green", "white", "black", "brown"),
    "pet": ("cat", "dog", "bird", "fish", "horse", "goat"),
    "town": ("alder", "birch", "cedar", "elm", "maple", "oak"),
}

TOOL, ARGUMENT = "search", "key"
UNKNOWN = "nothing found"

_KEY = re.compile(r"\s*(\w+)\s+of\s+(\w+)\s*", re.ASCII)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


class Facts(Game):
    """Answer a question about made-up people by looking facts up under their keys.

    Level n takes n look-ups: ``color of bimo?``, ``color of friend of bimo?``, … The answer is the
    last word of the first turn that calls no tool.
    """

    levels = 4
    kept_out = frozenset({"prompt_format", "answer_format"})

    def __init__(self, prompt_format: str = "{question}?\n", answer_format: str = "A:{answer}"):
        super().__init__()
        self.prompt_format = prompt_format
        self.answer_format = answer_format
        self.facts: dict[str, str] = {}
        self.question = ""
        self.answer = ""
        self.looked: list[list[str]] = []
        self.calls = 0

    def reset(self, seed: int, level: int = 1, question: str = "") -> Messages:
        """Draw people and a question of a level; ``question`` takes the place of that question.

        Raises ValueError for a question that the people drawn have no answer to.
        """
        random = self._begin(seed, level)
        people = _people(random)
        self.facts = _facts(random, people)
        drawn = f"{_one(random, tuple(VALUES))} of " + f"{LINK} of " * (level - 1)
        self.question = question or drawn + _one(random, people)
        found = self._found(self.question)
        if found is None:
            raise ValueError(f"the question {question[:READ]!r} has no answer among the facts")
        self.answer = found
        self.looked, self.calls = [], 0
        return told(self.prompt_format.replace("{question}", self.question))

    def search(self, key: str) -> str:
        """Look up a fact.

        Args:
            key: what is looked for and of whom, for example color of bimo
        """
        self.calls += 1
        match = _KEY.fullmatch(key[:READ].lower())
        found = self.facts.get(f"{match[1]} of {match[2]}") if match else None
        if match and found:
            self.looked.append([f"{match[1]} of {match[2]}", found])
        return found or UNKNOWN

    def step(self, text: str) -> tuple[Messages, bool]:
        """Hear the answer, which ends the episode."""
        self.turns += 1
        words = re.findall(r"[a-z]+", text[-READ:].lower())
        self.solved = bool(words) and words[-1] == self.answer
        if not words:
            self._refuse("no answer")
        self.done = True
        return [], True

    def parts(self) -> dict[str, float]:
        """Return the named rewards; ``found`` is the share of look-ups that found something."""
        found = len(self.looked) / self.calls if self.calls else 0.0
        return {**super().parts(), "found": found}

    def worked(self) -> str | Call:
        """Return the turn of a player who follows the question from its end to its beginning."""
        steps = self.question.split(" of ")
        known = len(self.looked)
        who = self.looked[-1][1] if known else steps[-1]
        if known < len(steps) - 1:
            return Call(TOOL, {ARGUMENT: f"{steps[-2 - known]} of {who}"})
        return self.answer_format.replace("{answer}", who)

    def goal_of(self, messages: Messages) -> Mapping[str, Any] | None:
        """Return the question whose answer was found in the place of the one asked, or None.

        It is the chain of look-ups that ends with the last one.
        """
        if self.solved or not self.looked:
            return None
        chain = self.looked[-1][0]
        for key, found in reversed(self.looked[:-1]):
            what, _, who = chain.rpartition(" of ")
            if found == who and key.startswith(f"{LINK} of "):
                chain = f"{what} of {key}"
        return None if chain == self.question else {"question": chain}

    def _found(self, question: str) -> str | None:
        steps = question.split(" of ")
        who: str | None = steps.pop()
        while steps and who is not None:
            who = self.facts.get(f"{steps.pop()} of {who}")
        return who if " of " in question else None


def _people(random: Random) -> tuple[str, ...]:
    names: list[str] = []
    while len(names) < PEOPLE:
        letters = (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS)
        name = "".join(_one(random, each) for each in letters)
        if name not in names:
            names.append(name)
    return tuple(names)


def _facts(random: Random, people: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for who in people:
        others = tuple(each for each in people if each != who)
        found[f"{LINK} of {who}"] = _one(random, others)
        for what, values in VALUES.items():
            found[f"{what} of {who}"] = _one(random, values)
    return found


def _one(random: Random, choices: tuple[str, ...] | str) -> str:
    return choices[int(random.random() * len(choices))]
