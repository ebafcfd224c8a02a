"""General Points played by moves: two numbers at a time become one, until one is left.

A move is an operation on two of the numbers that are left (``3*8``); its value takes their place.
Values are exact. One that is negative or no whole number stands in brackets: ``8/(7/2)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from random import Random
from typing import Any

from etude.tasks.cards import is_held_out
from etude.tasks.game import READ, Game, Messages, told

#: Cards of a hand by level, ranks from 1 to 10.
CARDS = (2, 3, 4)
LARGEST = 10
POINTS = 24

NO_MOVE, WON, LOST = "no move", "right", "wrong"

_NUMBER = r"(\d{1,9}|\(-?\d{1,9}(?:/\d{1,9})?\))"
_MOVE = re.compile(rf"\s*{_NUMBER}\s*([-+*/])\s*{_NUMBER}\s*", re.ASCII)
_TRIES = 20_000

Values = tuple[Fraction, ...]


class PointsMoves(Game):
    """Make the target out of a hand of cards, by moves that join two of the numbers left.

    A turn is a move, answered with the numbers left. One that is none is answered with "no move";
    after ``spare`` of these the episode ends. Level n has n + 1 cards. The target is ``target``, or
    where that is None what random moves make of the hand.
    """

    levels = len(CARDS)
    kept_out = frozenset({"target", "spare"})

    def __init__(self, target: int | None = POINTS, spare: int = 2) -> None:
        super().__init__()
        self.target = target
        self.spare = spare
        self.wanted = 0
        self.cards: list[int] = []
        self.left: list[str] = []

    def reset(
        self,
        seed: int,
        level: int = 1,
        split: str = "train",
        cards: Sequence[int] | None = None,
        target: int | None = None,
    ) -> Messages:
        """Deal a hand of a level with a target it can make, or begin with ``cards`` and ``target``.

        A hash of the cards decides whether the split ``test`` has a hand, of three cards or more.
        Raises ValueError where the target cannot be made.
        """
        random = self._begin(seed, level)
        wanted = target if target is not None else self.target
        if cards is None:
            cards, wanted = dealt(random, CARDS[level - 1], wanted, split == "test")
        elif wanted is None:
            raise ValueError("cards without a target")
        if way(tuple(Fraction(card) for card in cards), wanted) is None:
            raise ValueError(f"the cards {list(cards)} cannot make {wanted}")
        self.wanted = wanted
        self.cards = [int(card) for card in cards]
        self.left = list(map(str, self.cards))
        return told(f"{wanted}: {' '.join(self.left)}\n")

    def step(self, text: str) -> tuple[Messages, bool]:
        """Hear a move and say which numbers are left, or whether the last one is right."""
        self.turns += 1
        joined = self._joined(text[:READ])
        if joined is None:
            reply = self._refuse(NO_MOVE)
        else:
            self.left = joined
            reply = " ".join(joined)
        if len(self.left) == 1:
            self.solved = self.left == [str(self.wanted)]
            reply = WON if self.solved else LOST
        self.done = len(self.left) == 1 or self.illegal > self.spare
        return told(f"{reply}\n"), self.done

    def _joined(self, text: str) -> list[str] | None:
        match = _MOVE.fullmatch(text)
        if match is None:
            return None
        rest = list(self.left)
        for number in (match[1], match[3]):
            if number not in rest:
                return None
            rest.remove(number)
        value = _value(_read(match[1]), match[2], _read(match[3]))
        return None if value is None else [*rest, _written(value)]

    def worked(self) -> str | None:
        """Return the next move of a way to the target, None where there is none from here."""
        found = way(tuple(map(_read, self.left)), self.wanted)
        return found[0] if found else None

    def goal_of(self, messages: Messages) -> Mapping[str, Any] | None:
        """Return the hand with the target that was made of it, None where none was or it was asked.

        A target is a whole number from 1 to 999.
        """
        made = self.left[0] if len(self.left) == 1 and not self.solved else ""
        if not re.fullmatch(r"[1-9]\d{0,2}", made, re.ASCII):
            return None
        return {"cards": list(self.cards), "target": int(made)}


def dealt(random: Random, count: int, wanted: int | None, held_out: bool) -> tuple[list[int], int]:
    """Return cards and a target that they make: ``wanted``, or one of random moves (1 to 99).

    Raises ValueError where hardly any hand makes it.
    """
    for _ in range(_TRIES):
        cards = [1 + int(random.random() * LARGEST) for _ in range(count)]
        if count > 2 and is_held_out(cards) != held_out:
            continue
        target = wanted
        if target is None:
            values = [Fraction(card) for card in cards]
            while len(values) > 1:
                one = values.pop(int(random.random() * len(values)))
                other = values.pop(int(random.random() * len(values)))
                value = _value(one, "+-*/"[int(random.random() * 4)], other)
                values.append(value if value is not None else one)
            if values[0].denominator != 1 or not 1 <= values[0] < 100:
                continue
            target = int(values[0])
        if way(tuple(map(Fraction, cards)), target) is not None:
            return cards, target
    raise ValueError(f"no {count} cards from 1 to {LARGEST} were found that make {wanted}")


def way(values: Values, target: int) -> tuple[str, ...] | None:
    """Return the moves that make a target of all numbers, None where there are none."""
    return _way(tuple(sorted(values)), Fraction(target))


@lru_cache(maxsize=65_536)
def _way(values: Values, target: Fraction) -> tuple[str, ...] | None:
    if len(values) == 1:
        return () if values[0] == target else None
    for move, rest in _moves(values):
        found = _way(rest, target)
        if found is not None:
            return (move, *found)
    return None


def _moves(values: Values) -> Iterator[tuple[str, Values]]:
    """Yield every move with the numbers that it leaves, sorted."""
    for first in range(len(values)):
        for second in range(len(values)):
            if first == second:
                continue
            one, other = values[first], values[second]
            rest = [value for place, value in enumerate(values) if place not in (first, second)]
            for operator in "+*-/" if first < second else "-/":
                value = _value(one, operator, other)
                if value is not None:
                    yield (
                        f"{_written(one)}{operator}{_written(other)}",
                        tuple(sorted([*rest, value])),
                    )


def _written(value: Fraction) -> str:
    return str(value) if value >= 0 and value.denominator == 1 else f"({value})"


def _read(text: str) -> Fraction:
    return Fraction(text.strip("()"))


def _value(one: Fraction, operator: str, other: Fraction) -> Fraction | None:
    if operator == "+":
        return one + other
    if operator == "-":
        return one - other
    if operator == "*":
        return one * other
    return one / other if other else None
