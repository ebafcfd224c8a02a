"""A verifier that is a plain function: ``score(prompt, response, columns)`` → number or parts.

An answer is right (pass@k, majority, selections) where the part ``accuracy``, or else the sum of
the parts, reaches ``solved``. A function that raises, or returns what is no number, has failed on
that answer: it is counted and left out, and is no zero.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any

from etude.by_path.call import Call
from etude.by_path.fields import EXTRACTED, NUMBER
from etude.component import Declaration, option
from etude.rows import Candidate, Outcome, Placed, StopReason, Verdict
from etude.verifier.interface import Verifier


@dataclass(frozen=True)
class JudgedByFunction(Verifier):
    """The options that every verifier by path has."""

    solved: float = option(
        1.0, "an answer is right where its accuracy, or else the sum of its parts, is at least this"
    )


@dataclass(frozen=True, kw_only=True)
class FunctionVerifier(JudgedByFunction):
    """A function of a file, asked about one answer after the other."""

    call: Call
    declaration: Declaration

    @property
    def title(self) -> str:
        """Return the function with its file and line."""
        return self.call.title

    def warm(self) -> None:
        """Import the file, outside any row's clock."""
        _ = self.call.function

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return None: what a function makes of a row's columns is its own affair."""
        return None

    def refusal(self, candidate: Candidate) -> Verdict | None:
        """Return None: a row may leave a column out that others have."""
        return None

    def _judged(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        return [self.judge(candidate) for candidate in candidates]

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer; raises CallError, which is the row's outcome."""
        returned = self.call(self._given(candidate))
        parts, extracted, spans = self._parts(returned)
        total = parts.get(NUMBER, math.fsum(parts.values()))
        outcome = Outcome.CORRECT if total >= self.solved else Outcome.WRONG
        # Majorities are counted by what was extracted: of nothing there would be none.
        given = candidate.response.strip() if extracted is None else extracted
        return Verdict(outcome, parts, extracted=given, spans=spans)

    def _given(self, candidate: Candidate) -> dict[str, Any]:
        given: dict[str, Any] = {
            **candidate.columns,
            "prompt": candidate.prompt,
            "response": candidate.response,
            "columns": candidate.columns,
            "id": candidate.id,
            "length": candidate.length,
            "truncated": candidate.stop_reason is StopReason.LENGTH,
            "evaluation": candidate.evaluation,
        }
        # A row may leave a column out that others have.
        return {name: given.get(name) for name in self.call.asks}

    def _parts(self, returned: Any) -> tuple[dict[str, float], str | None, dict[str, list[Placed]]]:
        if not isinstance(returned, Mapping):
            return {NUMBER: self._number(returned, "")}, None, {}
        extracted = returned.get(EXTRACTED)
        parts: dict[str, float] = {}
        spans: dict[str, list[Placed]] = {}
        for key, value in returned.items():
            name = str(key)
            if name == EXTRACTED:
                continue
            if isinstance(value, list):
                spans[name] = [self._span(each, name) for each in value]
                value = math.fsum(each for _, _, each in spans[name])
            parts[name] = self._number(value, f" for the part '{name}'")
        if not parts:
            raise self.call.unusable("no parts at all; an empty dict says nothing of an answer")
        return parts, None if extracted is None else str(extracted), spans

    def _span(self, value: Any, name: str) -> Placed:
        """Return where a part lies and what it is worth there; raises CallError for any other."""
        where = f" for the part '{name}'"
        try:
            start, end, worth = value
            return operator.index(start), operator.index(end), self._number(worth, where)
        except (TypeError, ValueError):
            said = f"{value!r} in the list{where}; a list is one of spans (start, end, value)"
            raise self.call.unusable(said) from None

    def _number(self, value: Any, where: str) -> float:
        if callable(item := getattr(value, "item", None)):
            with suppress(ValueError, TypeError, RuntimeError):  # an array of several says below
                value = item()
        if not isinstance(value, Real):
            shown = repr(value)
            shown = shown if len(shown) < 60 else f"{shown[:60]}…"
            raise self.call.unusable(
                f"{shown}{where}, a {type(value).__name__}; it returns a number or a dict of named"
                " parts → numbers"
            )
        number = float(value)
        if not math.isfinite(number):
            raise self.call.unusable(f"{number}{where}, which is no finite number")
        return number
