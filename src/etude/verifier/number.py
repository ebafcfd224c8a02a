"""Numeric answers, compared by value: ``$1,234.50`` is ``1234.5`` and ``3/4`` is ``0.75``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.answers.numerals import Numeral, close
from etude.verifier.answers.single import holds_digits, stated
from etude.verifier.extract import Extracting, final_text
from etude.verifier.interface import THOUGHT


def right_number(gold: str) -> Numeral | None:
    """Return the number that a right answer is; None where it is none, or more than one number.

    A whole solution is read at its box or marker.
    """
    announced = final_text(gold, None, ("box", "marker"), holds_digits)
    text = gold if announced is None else announced.text
    if re.search(r"\d[A-Za-z]\W*$", text):  # 6m may be six times m
        return None
    found = stated(text, marked=True)
    return None if found is None else found[1]


@component(
    requires=(Need("column:answer", why="to compare the answer with"),),
    provides=("part:accuracy", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Number(Extracting):
    """Reads the final number of an answer and compares its value with the column ``answer``.

    Thousands commas, signs, decimals, fractions, mixed numbers, currency signs and units are
    understood. An answer that is no single number (``(1,2)``, ``2\\sqrt{3}``, ``5 or 7``, ``5x``)
    is never reduced to one of the numbers in it, and a right answer like that is refused before
    training: ``verifier=math`` reads those. Integers and fractions have to be equal; ``tolerance``
    is for decimals. Parts: ``accuracy`` is 1 for the right value; ``format`` is 1 where the number
    was announced (``####``, ``A:``, ``answer is``, ``\\boxed{}``, ``<answer>``, or the configured
    pattern) in a response that ended by itself; ``length`` is the response's tokens.
    """

    answer_can_exhaust: ClassVar[bool] = True
    instead: ClassVar[str] = "math"

    marked_only: bool = option(False, "a number that nothing announces is no answer")
    tolerance: float | None = option(
        None,
        "largest accepted difference, relative to the right value; null: integers and fractions "
        "are equal, decimals to a millionth of it and half a unit of their last digit",
        ge=0,
    )

    def holds(self, text: str) -> bool:
        """Return whether what follows a marker is an answer: it has a digit."""
        return holds_digits(text)

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with: it is no single number."""
        if right_number(gold) is not None:
            return None
        if not holds_digits(gold):
            return f"holds no number: {gold[:60]!r}"
        return f"is no single number: {gold[:60]!r}; verifier=math reads other mathematics"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict; raises ValueError where the row's right answer is no number."""
        answer = str(candidate.columns["answer"])
        gold = right_number(answer)
        if gold is None:
            raise ValueError(f"the row's answer {self.gold_fault(answer)}")
        found = self.extract(candidate.response)
        if found is not None and self.marked_only and not found.marked:
            found = None
        number = None if found is None else stated(found.text, marked=found.marked)
        announced = number is not None and found is not None and found.marked
        ended = candidate.stop_reason is not StopReason.LENGTH
        parts = {
            "accuracy": 0.0,
            "format": float(announced and ended),
            "length": float(candidate.length),
        }
        if number is None:
            if found is None or not found.marked or not holds_digits(found.text):
                return Verdict(Outcome.NO_ANSWER, parts)
            text = found.text[:200]
            return Verdict(Outcome.WRONG, parts, text, f"{text[:60]!r} is no single number")
        written, value = number
        tolerance = None if self.tolerance is None else Fraction(self.tolerance)
        if not close(value, gold, tolerance):
            return Verdict(Outcome.WRONG, parts, extracted=written)
        return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, extracted=written)
