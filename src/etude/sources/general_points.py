"""General Points: hands of cards to make 24 of, under a rule for what J, Q and K count."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from etude.component import component, option
from etude.errors import DataError
from etude.randomness import generator
from etude.sources.interface import PARAMETRIC, StageRows
from etude.sources.made import of_split, wholes, within
from etude.tasks import cards
from etude.tasks.cards import Deal, Rule
from etude.tasks.numbered import draws, whole
from etude.tasks.points_solver import solutions, solvable

#: Hands that are drawn at once for a row, of which the first that belongs to its split counts.
_DRAWS = 8

#: Hands made from parameters before it is said that none has a solution.
_ATTEMPTS = 500

#: Parameter → (least value, greatest value); a number between two whole ones stands for both.
PARAMETERS: Mapping[str, tuple[float, float]] = {
    "cards": (3.0, 5.0),
    "largest": (5.0, 19.0),
    "jack": (1.0, 19.0),
    "queen": (1.0, 19.0),
    "king": (1.0, 19.0),
}

#: The value of a parameter that is not given.
USUAL: Mapping[str, float] = {"cards": 4, "largest": 13, "jack": 10, "queen": 10, "king": 10}

COLUMNS = (
    *("id", "prompt", "cards", "display_cards", "announced_cards"),
    *("target", "hand", "rule", "solution"),
)


@component(
    source="arXiv 2510.00237",
    provides=(
        *(f"column:{name}" for name in COLUMNS),
        *(f"split:{name}" for name in (*cards.TRAINING, *cards.TESTS)),
        PARAMETRIC,
        "characters:300",
    ),
)
@dataclass(frozen=True)
class GeneralPoints:
    """Generated hands of cards of which a formula makes 24, with what J, Q and K count.

    ``train`` counts every face 10; ``mixed``, ``diverse`` and ``extensive`` give each row one of
    several rules. The other splits are measured on: ``test`` (faces 10), ``all_5``, ``all_7``,
    ``all_12``, ``regular`` (11, 12, 13), ``large`` (a card of 14 to 19), ``five_cards``, and
    ``fake`` and ``fake_all_5``, whose prompts announce another rule than the 10 that is scored by.
    A hash of the cards decides whether a hand is trained on or held out, in whatever order and
    under whatever rule; within a split no row occurs twice. Every hand has a solution, of which
    the column ``solution`` shows one, drawn at random.
    """

    example: ClassVar[str] = "recipe=rl data_mix=general_points verifier=general_points"

    seed: int = option(0, "draws hands and the solutions that are shown", ge=0, le=2**63 - 1)
    target: int = option(24, "what a formula has to come to", ge=1, le=1000)
    train_size: int = option(10_000, "most rows of a training split", ge=1, le=1_000_000)
    test_size: int = option(500, "most rows of any other split", ge=1, le=1_000_000)
    redraws: int = option(
        50, "hands drawn again where one has no solution, before a row is left out", ge=0, le=10_000
    )
    prompt_formats: list[str] = option(
        [
            "Make {target} from the cards {hand}, each used once, with + - * / and brackets."
            " A counts 1; {rule}."
            ' Answer as {"cards": [...], "number": [...], "formula": "..."}.\n'
        ],
        "prompt texts, of which each row has one, drawn by its cards; {hand}, {rule} and {target}"
        " are put in",
        items=1,
        form="filled",
        escapes=True,
    )

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "general_points"
    ) -> PointsRows:
        """Return the rows of a split, drawn from the own seed; raises DataError for another."""
        deal = of_split({**cards.TRAINING, **cards.TESTS}, split, key)
        size = self.train_size if split in cards.TRAINING else self.test_size
        hands, rules = _dealt(split, self.seed, self.target, size, self.redraws)
        return PointsRows(self, deal, hands, rules)

    def parameters(self) -> Mapping[str, tuple[float, float]]:
        """Return what :meth:`generate` reads: name → (least value, greatest value)."""
        return PARAMETERS

    def generate(self, parameters: Mapping[str, float], key: int) -> Mapping[str, Any]:
        """Return a row of ``cards`` cards of ranks 1 to ``largest``, with the faces' values.

        A parameter between two whole numbers is one or the other, so often that it is right on
        average. ``key`` alone decides which row it is. It is never one that is held out. Raises
        DataError for a parameter that there is not or that is out of range.
        """
        asked = {**USUAL, **within(PARAMETERS, parameters, "general_points")}
        random = generator("general points by parameters", key)
        chosen = wholes(PARAMETERS, asked, random.random)
        rule = (chosen["jack"], chosen["queen"], chosen["king"])
        for _ in range(_ATTEMPTS):
            hand = random.integers(1, chosen["largest"] + 1, chosen["cards"])
            values = np.array([cards.values_of(hand.tolist(), rule)])
            if not cards.is_held_out(hand.tolist()) and solvable(values, self.target)[0]:
                return self.row(hand.tolist(), rule, rule)
        raise DataError(
            f"general_points: none of {_ATTEMPTS} hands with the parameters {asked} makes"
            f" {self.target} and is not held out"
        )

    def row(self, hand: Sequence[int], rule: Rule, announced: Rule) -> Mapping[str, Any]:
        """Return the row of a hand that is scored by a rule; its prompt announces another."""
        row = self.problem(hand, rule, announced)
        known = solutions(row["display_cards"], self.target)
        random = generator("general points solution", self.seed, row["id"])
        shown = {
            "cards": row["cards"],
            "number": row["display_cards"],
            "formula": known[int(random.integers(len(known)))],
        }
        return {**row, "solution": json.dumps(shown)}

    def problem(self, hand: Sequence[int], rule: Rule, announced: Rule) -> dict[str, Any]:
        """Return the row of a hand without a solution, which is the dear part of it."""
        names = [cards.name_of(rank) for rank in hand]
        return {
            "id": self.ident(hand, rule, announced),
            "prompt": self.prompt(hand, rule, announced),
            "cards": names,
            "display_cards": cards.values_of(hand, rule),
            "announced_cards": cards.values_of(hand, announced),
            "target": self.target,
            "hand": ", ".join(names),
            "rule": cards.said(announced),
        }

    def ident(self, hand: Sequence[int], rule: Rule, announced: Rule) -> str:
        """Return what a row is known by: its cards, what faces count, what they are said to."""
        said = "" if announced == rule else f"?{','.join(map(str, announced))}"
        names = "-".join(map(cards.name_of, hand))
        return f"{names}={self.target}:{','.join(map(str, rule))}{said}"

    def prompt(self, hand: Sequence[int], rule: Rule, announced: Rule) -> str:
        """Return the prompt of a hand."""
        place = 0
        if len(self.prompt_formats) > 1:
            ident = self.ident(hand, rule, announced)
            random = generator("general points prompt", self.seed, ident)
            place = int(random.integers(len(self.prompt_formats)))
        said = {"hand": ", ".join(map(cards.name_of, hand)), "rule": cards.said(announced)}
        text = self.prompt_formats[place]
        for name, value in {**said, "target": str(self.target)}.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def first_look(self, split: str, key: str = "general_points") -> tuple[PointsRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the hands are drawn, not read."""
        return []


class PointsRows(Sequence[Mapping[str, Any]]):
    """Dealt hands; texts are made, and solutions looked for, when a row is read."""

    def __init__(
        self,
        source: GeneralPoints,
        deal: Deal,
        hands: NDArray[np.int64],
        rules: NDArray[np.int64],
    ) -> None:
        self._source = source
        self._deal = deal
        self._hands = hands
        self._rules = rules

    def __len__(self) -> int:
        return len(self._hands)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row of the hand at ``position``."""
        return self._source.row(*self._of(position))

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column; solutions are looked for where they are the column asked for."""
        if name not in COLUMNS:
            raise DataError(f"general_points has no column '{name}'; it has {', '.join(COLUMNS)}")
        make: Callable[..., Mapping[str, Any]] = self._source.problem
        if name == "solution":
            make = self._source.row
        places = range(len(self)) if positions is None else positions
        return [make(*self._of(int(place)))[name] for place in places]

    def _of(self, position: int) -> tuple[list[int], Rule, Rule]:
        """Return the hand at ``position``, the rule it is scored by and the one announced."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        rule = self._deal.rules[int(self._rules[position])]
        return self._hands[position].tolist(), rule, self._deal.announced or rule


@lru_cache(maxsize=16)
def _dealt(
    split: str, seed: int, target: int, size: int, redraws: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the hands of a split, ``[R, n]``, and which of its rules each has, ``[R]``.

    A row's draws depend on its number alone, so fewer rows are the beginning of more.
    """
    deal = {**cards.TRAINING, **cards.TESTS}[split]
    held_out = split in cards.TESTS
    rules = np.arange(size) % len(deal.rules)
    found = np.zeros((size, deal.cards), dtype=np.int64)
    left = np.arange(size)
    seen: set[tuple[int, ...]] = set()
    for attempt in range(redraws + 1):
        drawn, there = _drawn(deal, ("general points", seed, split, attempt), left, held_out)
        fits = np.zeros(len(left), dtype=bool)
        for number, rule in enumerate(deal.rules):
            own = np.flatnonzero(there & (rules[left] == number))
            if len(own):
                ranks = [cards.values_of([rank], rule)[0] for rank in range(1, deal.largest + 1)]
                fits[own] = solvable(np.array([0, *ranks])[drawn[own]], target)
        for place in np.flatnonzero(fits):
            row = (*deal.rules[int(rules[left[place]])], *drawn[place].tolist())
            fits[place] = row not in seen
            seen.add(row)
        found[left[fits]] = drawn[fits]
        left = left[~fits]
        if not len(left):
            break
    kept = np.setdiff1d(np.arange(size), left)
    return found[kept], rules[kept]


def _drawn(
    deal: Deal, purpose: tuple[int | str, ...], rows: NDArray[np.int64], held_out: bool
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return a hand for each row, ``[R, n]``, and whether it belongs to the side asked for."""
    numbers = draws(purpose, rows, _DRAWS * (deal.cards + 2)).reshape(len(rows), _DRAWS, -1)
    hands = whole(numbers[:, :, : deal.cards], 1, deal.largest)
    if deal.least_of_last > 1:  # shuffled, the last card lies anywhere, and the others are alike
        place = whole(numbers[:, :, deal.cards], 0, deal.cards - 1)
        last = whole(numbers[:, :, deal.cards + 1], deal.least_of_last, deal.largest)
        np.put_along_axis(hands, place[:, :, None], last[:, :, None], axis=2)
    ordered = np.sort(hands, axis=2)
    codes = ordered @ (deal.largest + 1) ** np.arange(deal.cards)
    _, first, which = np.unique(codes.reshape(-1), return_index=True, return_inverse=True)
    examples = ordered.reshape(-1, deal.cards)[first]
    apart = np.array([_is_held_out(tuple(hand)) for hand in examples.tolist()])
    right = (apart == held_out)[which.reshape(-1)].reshape(len(rows), _DRAWS)
    return hands[np.arange(len(rows)), right.argmax(axis=1)], right.any(axis=1)


_is_held_out = lru_cache(maxsize=65_536)(cards.is_held_out)
