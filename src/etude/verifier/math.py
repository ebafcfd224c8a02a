"""Mathematical answers, compared as mathematics: ``\\frac12`` is 0.5, ``1<x<2`` is ``(1,2)``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.answers import symbolic
from etude.verifier.answers.clean import clean
from etude.verifier.answers.cost import too_costly, undone
from etude.verifier.answers.equal import Rules, same
from etude.verifier.answers.kinds import Kind, kind_of
from etude.verifier.answers.last import last_mathematics
from etude.verifier.extract import Extracting, Found
from etude.verifier.interface import THOUGHT

#: What sympy and math-verify raise on expressions that make no sense to them.
_SENSELESS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)
#: The most characters of an answer that is compared.
LONGEST = 10_000

_MATHEMATICS = re.compile(r"[\d\\$^_<>=+*/{}\[\]|±π∞√½-¾∅]|^\W*[A-Za-z]\W*$|^\W*\(?[A-J]\)?[.):\s]")


@component(
    source="math-verify (github.com/huggingface/Math-Verify); classes of arXiv 2505.22203",
    requires=(Need("column:answer", why="to compare the answer with"),),
    provides=("part:accuracy", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Math(Extracting):
    """Compares the final answer with the column ``answer`` as mathematics.

    Numbers in every form, units, percentages, choices, words, sets, lists, tuples, intervals and
    inequalities, matrices, equations and general solutions are compared by rules of their own;
    expressions by their values, the rest by math-verify. A unit that is left out is no mistake, one
    that contradicts is; a chain of equals signs with a false link is wrong, and so is every answer
    that gives several where one is asked. What an answer costs is bounded by its text and by the
    worker's wall clock, and is the answer's doing: it is wrong then, with a reason. Parts are those
    of the verifier ``number``; ``format`` is 1 where the answer stood in a box, in tags or after a
    marker.
    """

    answer_can_exhaust: ClassVar[bool] = True

    timeout: float = option(10.0, "wall-clock seconds a row may take", gt=0, le=86_400)
    precision: int = option(
        6,
        "significant digits to which a decimal has to agree with the right value, and to half a "
        "unit of its last digit; integers and fractions have to be equal",
        ge=0,
        le=300,
    )
    tolerance: float | None = option(
        None,
        "largest accepted difference of numbers, relative to the right value; null: by precision",
        ge=0,
    )
    percent: bool = option(True, "a percentage answers for its number: 17% is 17")

    @cached_property
    def comparing(self) -> Rules:
        """Return how numbers are compared."""
        tolerance = None if self.tolerance is None else Fraction(self.tolerance)
        return Rules(tolerance, Fraction(1, 2 * 10**self.precision), self.percent)

    def warm(self) -> None:
        """Import math-verify and build its grammar."""
        symbolic.warm()

    def holds(self, text: str) -> bool:
        """Return whether what follows a marker is an answer: mathematics, or a choice."""
        return _MATHEMATICS.search(text) is not None

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with.

        It is empty, LaTeX whose braces do not close, or would take endless time to work out. Words
        and expressions beyond the grammar still compare as text.
        """
        plain = clean(gold)
        if not plain:
            return f"is empty: {gold[:60]!r}"
        bare = plain.replace("\\{", "").replace("\\}", "")
        if bare.count("{") != bare.count("}"):
            return f"is LaTeX whose braces do not close: {gold[:60]!r}"
        costly = too_costly(plain)
        return None if costly is None else f"cannot be worked out, {costly}: {gold[:60]!r}"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict; raises ValueError where the row's right answer cannot be read."""
        gold = str(candidate.columns["answer"])
        if (fault := self.gold_fault(gold)) is not None:
            raise ValueError(f"the row's answer {fault}")
        found = self.answer(candidate.response, gold)
        ended = candidate.stop_reason is not StopReason.LENGTH
        parts = {
            "accuracy": 0.0,
            "format": float(found is not None and found.marked and ended),
            "length": float(candidate.length),
        }
        if found is None or not clean(found.text[:LONGEST]):
            return Verdict(Outcome.NO_ANSWER, parts)
        shown = found.text if len(found.text) <= 400 else f"{found.text[:400]}…"
        wrong = self._wrong(found.text, gold)
        if wrong is None:
            return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, extracted=shown)
        return Verdict(Outcome.WRONG, parts, extracted=shown, detail=wrong)

    def answer(self, response: str, gold: str) -> Found | None:
        """Return the final answer of a response; where nothing announces it, its last mathematics.

        Words behind a marker are an answer where the right one is in words, too.
        """
        in_words = kind_of(gold) in (Kind.TEXT, Kind.CHOICE)
        found = self.extract(response, (lambda text: bool(text.strip())) if in_words else None)
        if found is None or found.marked:
            return found
        if in_words and len(found.text.split()) <= 8:
            return found
        last = last_mathematics(found.text)
        return None if last is None else Found(last, False, "text")

    def _wrong(self, given: str, gold: str) -> str | None:
        """Return why an answer is not right, None where it is."""
        if len(given) > LONGEST:
            return f"it has {len(given)} characters, and no answer has more than {LONGEST}"
        plain = clean(given)
        left = undone(plain, clean(gold))
        if left is not None:
            return f"it is not worked out: {left}"
        try:
            if same(given, gold, self.comparing):
                return None
        except _SENSELESS as error:
            return f"working it out fails: {type(error).__name__}: {str(error)[:100]}"
        costly = too_costly(plain)
        if costly is not None:
            return f"it is not worked out: {costly}"
        return f"it is not {gold if len(gold) <= 80 else gold[:80] + '…'}"
