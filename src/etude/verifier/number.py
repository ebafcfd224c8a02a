"""Numeric answers, compared by value: ``$1,234.50`` is ``1234.5`` and ``3/4`` is ``0.75``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.extract import final_text
from etude.verifier.interface import THOUGHT, Verifier

_UNSIGNED = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,400})(?:\.\d{1,400})?|\.\d{1,400}"

# A sign is one only where no operand stands before it: the number in "16-3" is 3, in "A: -3" it
# is -3. A currency sign may stand on either side of the sign.
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w.)\]}}%])[-+−–])?(?:(?:\\?\$|€|£)\s?(?P<late>[-−])?)?"
    rf"(?:\\[dt]?frac\{{(?P<top>-?\d{{1,400}})\}}\{{(?P<bottom>\d{{1,400}})\}}"
    rf"|(?P<whole>{_UNSIGNED})(?:[eE](?P<exponent>[-+]?\d{{1,3}})(?!\w))?"
    rf"(?:\s?/\s?(?P<over>\d[\d,]{{0,400}}(?:\.\d{{1,400}})?))?)"
)


def value_of(match: re.Match[str]) -> Fraction | None:
    """Return the exact value of a matched number; None where it divides by zero."""
    if match["top"] is not None:
        value, divisor = Fraction(match["top"]), Fraction(match["bottom"])
    else:
        value = Fraction(match["whole"].replace(",", ""))
        value *= Fraction(10) ** int(match["exponent"] or 0)
        divisor = Fraction((match["over"] or "1").replace(",", ""))
    if divisor == 0:
        return None
    negative = (match["sign"] or "+") in "-−–" or match["late"] is not None
    return (-value if negative else value) / divisor


def numbers(text: str) -> list[tuple[str, Fraction]]:
    """Return every number of a text, as written and as an exact value."""
    found = [(match.group().strip(), value_of(match)) for match in _NUMBER.finditer(text)]
    return [(written, value) for written, value in found if value is not None]


def stated(text: str, *, marked: bool) -> tuple[str, Fraction] | None:
    """Return the number a final text states.

    After a marker it is the first number (``12 apples from 3 trees``), or the first after the last
    equals sign (``5 + 3 = 8``); in a text without a marker it is the last number.
    """
    if not marked:
        found = numbers(text)
        return found[-1] if found else None
    for part in reversed(text.split("=")):
        found = numbers(part)
        if found:
            return found[0]
    return None


@component(
    requires=(Need("column:answer", why="to compare the answer with"),),
    provides=("part:accuracy", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Number(Verifier):
    """Reads the final number of an answer and compares its value with the column ``answer``.

    Thousands commas, signs, decimals, fractions, currency signs and units are understood; values
    are compared as exact fractions within ``tolerance``. Parts: ``accuracy`` is 1 for the right
    value; ``format`` is 1 where the number was announced (``####``, ``A:``, ``answer is``,
    ``\\boxed{}``, or the configured pattern) in a response that ended by itself; ``length`` is the
    response's tokens.
    """

    answer_can_exhaust: ClassVar[bool] = True

    pattern: str | None = option(
        None,
        "regex whose group holds the answer (its last match); null: markers, or last number",
        form="regex",
    )
    marked_only: bool = option(False, "a number that nothing announces is no answer")
    tolerance: float = option(
        1e-6, "largest accepted difference, relative to the right value where that exceeds 1", ge=0
    )

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with: it holds no number."""
        return None if stated(gold, marked=False) else f"holds no number: {gold[:60]!r}"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict; raises ValueError (the row crashes) when its answer is no number."""
        gold = stated(str(candidate.columns["answer"]), marked=False)
        if gold is None:
            raise ValueError(f"the row's answer {candidate.columns['answer']!r} holds no number")
        found = final_text(candidate.response, self._pattern)
        number = None
        if found is not None and (found.marked or not self.marked_only):
            number = stated(found.text, marked=found.marked)
        marked = number is not None and found is not None and found.marked
        ended = candidate.stop_reason is not StopReason.LENGTH
        parts = {
            "accuracy": 0.0,
            "format": float(marked and ended),
            "length": float(candidate.length),
        }
        if number is None:
            return Verdict(Outcome.NO_ANSWER, parts)
        written, value = number
        allowed = Fraction(self.tolerance) * max(Fraction(1), abs(gold[1]))
        if abs(value - gold[1]) > allowed:
            return Verdict(Outcome.WRONG, parts, extracted=written)
        return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, extracted=written)
