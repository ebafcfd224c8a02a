"""Mathematical answers, compared as mathematics by math-verify: ``\\frac12`` is ``0.5``."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.extract import Extracting
from etude.verifier.interface import THOUGHT

_IGNORED = re.compile(r"(?<!\\)\\[!,;: ]|\\left(?![a-z])|\\right(?![a-z])|[\s$]")
_WRAPPER = re.compile(r"\\(?:text|mbox|mathrm|textbf)\s*(?=\{)")
_PERCENT = re.compile(r"^(.*\d)\s*\\?%$", re.DOTALL)

#: What math-verify may read without LaTeX marks: a text made of these alone is one expression.
_PLAIN = re.compile(r"[\w\s.,+\-*/^()\[\]{}=<>!|]*")


def normal(text: str) -> str:
    """Return LaTeX without what changes no meaning: spacing, sizing, dollars, a full stop."""
    text = _IGNORED.sub("", _WRAPPER.sub("", text.strip())).rstrip(".,;")
    return text.replace("dfrac", "frac").replace("tfrac", "frac")


@component(
    source="math-verify (github.com/huggingface/Math-Verify)",
    requires=(Need("column:answer", why="to compare the answer with"),),
    provides=("part:accuracy", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Math(Extracting):
    """Compares the final answer with the column ``answer`` as mathematics, through math-verify.

    Expressions, fractions, sets, intervals, matrices and equations are understood. math-verify's
    own timeouts rest on an alarm signal and are off: the worker's wall clock stops a comparison
    that does not end. Parts are those of the verifier ``number``; ``format`` is 1 where the answer
    stood in a box or after a marker.
    """

    answer_can_exhaust: ClassVar[bool] = True

    timeout: float = option(10.0, "wall-clock seconds a row may take", gt=0, le=86_400)
    precision: int = option(6, "decimal places to which decimals are compared", ge=0, le=300)
    percent: bool = option(True, "a percentage answers for its number: 17% is 17")

    def warm(self) -> None:
        """Import math-verify and build its grammar."""
        import math_verify

        logging.getLogger("math_verify").setLevel(logging.ERROR)
        math_verify.parse("$1$", parsing_timeout=None)

    def parse(self, text: str) -> list[Any]:
        """Return a final answer's text as expressions; empty where it cannot be read as a whole.

        math-verify's fall-backs (a number somewhere in the text, the text itself) are not used:
        they would take a part for the whole.
        """
        from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

        bare = text.strip().strip("$").strip().rstrip(".,;").strip()
        if self.percent:
            bare = _PERCENT.sub(r"\1", bare)
        for form in (f"${bare}$", f"\\boxed{{{bare}}}"):
            read = _understood(parse(form, [LatexExtractionConfig()], parsing_timeout=None))
            if read:
                return read
        if not _PLAIN.fullmatch(bare):
            return []
        return _understood(parse(bare, [ExprExtractionConfig()], parsing_timeout=None))

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with: it is empty, or broken LaTeX.

        Words and expressions beyond the grammar still compare as text.
        """
        if not normal(gold):
            return f"is empty: {gold[:60]!r}"
        bare = gold.replace("\\{", "").replace("\\}", "")
        if bare.count("{") != bare.count("}"):
            return f"is LaTeX whose braces do not close: {gold[:60]!r}"
        return None

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict; raises ValueError (a crash of the row) when its answer is empty."""
        gold = str(candidate.columns["answer"])
        if not normal(gold):
            raise ValueError("the row's answer is empty")
        found = self.extract(candidate.response)
        ended = candidate.stop_reason is not StopReason.LENGTH
        parts = {
            "accuracy": 0.0,
            "format": float(found is not None and found.marked and ended),
            "length": float(candidate.length),
        }
        right = {**parts, "accuracy": 1.0}
        if found is None or not found.text.strip():
            return Verdict(Outcome.NO_ANSWER, parts)
        if found.marked and normal(found.text) == normal(gold):
            return Verdict(Outcome.CORRECT, right, extracted=found.text)
        given = self.parse(found.text) if found.marked else self._search(found.text)
        if not given:
            outcome = Outcome.WRONG if found.marked else Outcome.NO_ANSWER
            return Verdict(outcome, parts, extracted=found.text if found.marked else None)
        written = found.text if found.marked else str(given[0])
        if self._equal(self.parse(gold), given):
            return Verdict(Outcome.CORRECT, right, extracted=written)
        return Verdict(Outcome.WRONG, parts, extracted=written)

    def _search(self, text: str) -> list[Any]:
        """Return what math-verify finds in a text that announces no answer."""
        from math_verify import parse

        return _understood(parse(text, parsing_timeout=None))

    def _equal(self, gold: list[Any], given: list[Any]) -> bool:
        from math_verify import verify

        compare: Callable[..., bool] = verify
        return compare(gold, given, float_rounding=self.precision, timeout_seconds=None)


def _understood(read: list[Any]) -> list[Any]:
    return [each for each in read if not isinstance(each, str)]
