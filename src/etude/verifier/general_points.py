"""The card game General Points: a formula of every card's number that comes to the target."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.tasks.formula import NoValue, exact_value, numbers, plain_value, tokens
from etude.verifier.interface import THOUGHT, Verifier

_FORMULA = re.compile(r'"formula": "(.*?)"')

#: A hand of more cards has too many formulas to look for its solutions.
_MOST_CARDS = 5

#: What is wrong with an answer; each is a part that is 1 where it is.
FAULTS = ("illegal", "number", "wrong", "partial")


@component(
    source="arXiv 2510.00237",
    requires=(
        Need("column:display_cards", why="to know the numbers a formula is made of"),
        Need("column:target", why="to know what a formula has to come to"),
    ),
    provides=(
        *(f"part:{name}" for name in ("accuracy", "score", "validity", "format", "length")),
        *(f"part:{fault}" for fault in FAULTS),
        THOUGHT,
    ),
)
@dataclass(frozen=True)
class GeneralPoints(Verifier):
    """Scores a formula that uses every number of the column ``display_cards`` once.

    The formula is that of a JSON object, or of the first ``"formula": "…"`` in other text, up to
    its ``=``. The part ``score`` is that of the first that applies: ``illegal`` (characters or an
    order that no formula has), ``number`` (other numbers than the cards'), ``correct``, ``partial``
    (no value, and some solution begins like it) or ``wrong``; each of them but ``correct`` is also
    a part that is 1 where it applies. ``accuracy`` is 1 for a correct formula,
    ``validity`` for a legal one of the numbers in the column ``announced_cards`` (where there is
    none, of the cards'), ``format`` where a formula was found and the response ended by itself;
    ``length`` is the response's tokens.
    """

    example: ClassVar[str] = (
        "recipe=rl verifier=general_points reward_weighting=general_points data_mix=general_points"
    )

    answer_can_exhaust: ClassVar[bool] = True

    correct: float = option(5.0, "score of a formula that comes to the target")
    partial: float = option(1.0, "score of an unfinished formula that begins a solution")
    wrong: float = option(-1.0, "score of a formula of the right numbers with another value")
    number: float = option(-2.0, "score of a formula of other numbers than the cards'")
    illegal: float = option(-3.0, "score of a text that is no formula, or of none")
    solutions: bool = option(
        True, "solutions of the cards are looked for, so that an unfinished formula may begin one"
    )
    exact: bool = option(
        True,
        "values are fractions; false: doubles, in which 8/(3-8/3) is not 24, as in the published "
        "scorer",
    )

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why the numbers or the target of a row cannot be read, None where they can."""
        cards, target = columns.get("display_cards"), columns.get("target")
        if not isinstance(cards, (list, tuple)) or not cards:
            return f"has no list of numbers in the column display_cards: {cards!r:.60}"
        if any(type(card) is not int or card < 0 for card in cards):
            return f"has a card that is no whole number in the column display_cards: {cards!r:.60}"
        if type(target) is not int:
            return f"has no whole number in the column target: {target!r:.60}"
        announced = columns.get("announced_cards") or []
        if not isinstance(announced, (list, tuple)) or any(type(n) is not int for n in announced):
            return f"has no list of numbers in the column announced_cards: {announced!r:.60}"
        return super().unreadable(columns)

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer."""
        columns = candidate.columns
        formula = stated(candidate.response)
        found = None if formula is None else tokens(formula)
        used = None if found is None else numbers(found)
        score, fault, why = self._graded(found, used, columns)
        announced = columns.get("announced_cards") or columns["display_cards"]
        ended = candidate.stop_reason is not StopReason.LENGTH
        parts = {
            "accuracy": float(not fault),
            "score": score,
            "validity": float(used is not None and used == sorted(announced)),
            "format": float(formula is not None and ended),
            "length": float(candidate.length),
            **{name: float(fault == name) for name in FAULTS},
        }
        if formula is None:
            return Verdict(Outcome.NO_ANSWER, parts, detail="no formula is stated")
        outcome = {"": Outcome.CORRECT, "partial": Outcome.PARTIAL}.get(fault, Outcome.WRONG)
        return Verdict(outcome, parts, extracted=formula[:200], detail=why or None)

    def exhausted(self, candidate: Candidate, why: str) -> Verdict:
        """Return the verdict on an answer that takes more than there is: an illegal formula."""
        verdict = super().exhausted(candidate, why)
        return replace(verdict, parts={**verdict.parts, "score": self.illegal, "illegal": 1.0})

    def _graded(
        self, found: list[str] | None, used: list[int] | None, columns: Mapping[str, Any]
    ) -> tuple[float, str, str]:
        """Return a formula's score, what is wrong with it (empty: nothing) and why, in words."""
        cards, target = sorted(columns["display_cards"]), columns["target"]
        if found is None:
            return self.illegal, "illegal", "it is not a formula of numbers, + - * / and brackets"
        if used != cards:
            why = f"the formula is not made of {', '.join(map(str, cards))}, each once"
            return self.number, "number", why
        text = "".join(found)
        try:
            value: Fraction | float = exact_value(found) if self.exact else plain_value(found)
        except NoValue as problem:
            if any(known.startswith(text) for known in self._solutions(cards, target)):
                return self.partial, "partial", f"the formula {problem}"
            return self.wrong, "wrong", f"the formula {problem}"
        if value == target:
            return self.correct, "", ""
        why = f"the formula comes to {value}, not {target}"
        if not self.exact and text in self._solutions(cards, target):
            return 0.0, "wrong", why  # as the published scorer, where doubles miss the target
        return self.wrong, "wrong", why

    def _solutions(self, cards: list[int], target: int) -> tuple[str, ...]:
        if not self.solutions or not 2 <= len(cards) <= _MOST_CARDS:
            return ()
        from etude.tasks.points_solver import solutions

        return solutions(cards, target)

    def warm(self) -> None:
        """Import what looks for solutions."""
        if self.solutions:
            import etude.tasks.points_solver  # noqa: F401


def stated(response: str) -> str | None:
    """Return the formula that a response states, up to its ``=``, None where it states none."""
    try:
        whole = json.loads(response)
    except (ValueError, RecursionError):
        whole = None  # other text around the object: the formula is looked for in it
    if isinstance(whole, dict) and "formula" in whole:
        formula = whole["formula"]
        return formula.split("=")[0] if isinstance(formula, str) else None
    found = _FORMULA.search(response)
    return None if found is None else found.group(1).split("=")[0]
