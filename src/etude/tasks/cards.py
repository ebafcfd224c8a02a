"""Cards of General Points: their names, their values under a rule for J, Q and K, their hands.

The rules are those of arXiv 2510.00237: in training all faces count 10, or each row has one of
several rules; tests have rules that no training row has, larger cards, five cards, and prompts that
announce another rule than the one that is scored by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.randomness import seed_of

#: Ranks that have a name; every other card is called by its number.
NAMES = {1: "A", 11: "J", 12: "Q", 13: "K"}
FACES = (11, 12, 13)

#: What J, Q and K count.
Rule = tuple[int, int, int]

TENS: Rule = (10, 10, 10)
REGULAR: Rule = (11, 12, 13)

#: One hand in five is held out, by a hash of its cards alone.
HELD_OUT_SHARE = 5


@dataclass(frozen=True)
class Deal:
    """How hands of a split are dealt, and what J, Q and K count there.

    Ranks are uniform from 1 to ``largest``; the last card is one of ``least_of_last`` to
    ``largest``, and the hand is then shuffled. A row has one of ``rules``, each as often.
    ``announced`` is the rule that prompts state where it is another than the one scored by.
    """

    rules: tuple[Rule, ...]
    cards: int = 4
    largest: int = 13
    least_of_last: int = 1
    announced: Rule | None = None


def _all(value: int) -> Rule:
    return (value, value, value)


_MIXED = (
    *(_all(8), _all(9), TENS),
    *((8, 9, 10), (7, 8, 9), (8, 9, 10), (5, 7, 9), (6, 8, 10)),
)
_DIVERSE = (
    *(TENS, _all(11), _all(13)),
    *((9, 10, 11), (10, 11, 12), (7, 9, 11), (8, 10, 12), (9, 11, 13)),
)
_EXTENSIVE = (
    *(TENS, _all(11), _all(9), _all(8), _all(12)),
    *((9, 10, 11), (10, 11, 12), (8, 9, 10), REGULAR, (9, 11, 13), (7, 9, 11)),
    *((7, 8, 9), (7, 9, 11), (8, 10, 12), (9, 11, 13), (5, 7, 9), (8, 10, 12)),
)

#: Splits that are trained on.
TRAINING: dict[str, Deal] = {
    "train": Deal((TENS,)),
    "mixed": Deal(_MIXED),
    "diverse": Deal(_DIVERSE),
    "extensive": Deal(_EXTENSIVE),
}

#: Splits that are only measured on.
TESTS: dict[str, Deal] = {
    "test": Deal((TENS,), least_of_last=11),
    "all_5": Deal((_all(5),), least_of_last=11),
    "all_7": Deal((_all(7),), least_of_last=11),
    "all_12": Deal((_all(12),), least_of_last=11),
    "regular": Deal((REGULAR,), least_of_last=11),
    "large": Deal((TENS,), largest=19, least_of_last=14),
    "five_cards": Deal((TENS,), cards=5),
    "fake": Deal((TENS,), least_of_last=11, announced=REGULAR),
    "fake_all_5": Deal((TENS,), least_of_last=11, announced=_all(5)),
}


def name_of(rank: int) -> str:
    """Return what a card is called: A, 2, …, 10, J, Q, K, 14, …"""
    return NAMES.get(rank, str(rank))


def values_of(hand: Sequence[int], rule: Rule) -> list[int]:
    """Return what the cards of a hand (ranks) count."""
    return [rule[FACES.index(rank)] if rank in FACES else rank for rank in hand]


def said(rule: Rule) -> str:
    """Return a rule in words: ``J, Q and K count 10`` or ``J counts 8, Q 9 and K 10``."""
    jack, queen, king = rule
    if jack == queen == king:
        return f"J, Q and K count {jack}"
    return f"J counts {jack}, Q {queen} and K {king}"


def is_held_out(hand: Sequence[int]) -> bool:
    """Tell whether a hand is only measured on, in whatever order and under whatever rule."""
    return seed_of("hand of cards", *sorted(int(rank) for rank in hand)) % HELD_OUT_SHARE == 0
