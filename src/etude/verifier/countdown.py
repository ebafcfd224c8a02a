"""Countdown: a formula of each of the row's numbers that comes to its target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.tasks.formula import NoValue, exact_value, numbers, tokens
from etude.verifier.extract import final_text
from etude.verifier.interface import THOUGHT, Verifier


@component(
    source="TinyZero (github.com/Jiayi-Pan/TinyZero)",
    requires=(
        Need("column:numbers", why="to know what a formula is made of"),
        Need("column:target", why="to know what a formula has to come to"),
    ),
    provides=(
        *(f"part:{name}" for name in ("accuracy", "format", "validity", "length")),
        THOUGHT,
    ),
)
@dataclass(frozen=True)
class Countdown(Verifier):
    """Scores a formula that uses every number of the column ``numbers`` once.

    The formula is what ``pattern`` finds last. ``accuracy`` is 1 where it comes to the column
    ``target``, in exact fractions; ``format`` where something stands there and the response ended
    by itself; ``validity`` where that is a legal formula of the row's numbers, each once;
    ``length`` is the response's tokens.
    """

    example: ClassVar[str] = (
        "recipe=rl verifier=countdown reward_weighting=countdown data_mix=countdown"
    )
    answer_can_exhaust: ClassVar[bool] = True

    pattern: str | None = option(
        "<answer>([^<]*)</answer>",
        "regex whose group holds the formula (its last match); null: the whole response",
        form="regex",
    )

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why the numbers or the target of a row cannot be read, None where they can."""
        given, target = columns.get("numbers"), columns.get("target")
        if not isinstance(given, (list, tuple)) or not given:
            return f"has no list of numbers in the column numbers: {given!r:.60}"
        if any(type(number) is not int or number < 0 for number in given):
            return f"has what is no whole number in the column numbers: {given!r:.60}"
        if type(target) is not int:
            return f"has no whole number in the column target: {target!r:.60}"
        return super().unreadable(columns)

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer."""
        text = self._stated(candidate.response)
        parts = {"accuracy": 0.0, "format": 0.0, "validity": 0.0, "length": float(candidate.length)}
        if text is None:
            return Verdict(Outcome.NO_ANSWER, parts, detail="no formula is stated")
        parts["format"] = float(candidate.stop_reason is not StopReason.LENGTH)
        given, target = sorted(candidate.columns["numbers"]), candidate.columns["target"]
        found = tokens("".join(text.split()))
        if not found or numbers(found) != given:
            why = f"it is no formula of {', '.join(map(str, given))}, each once"
            return Verdict(Outcome.WRONG, parts, text[:200], why)
        parts["validity"] = 1.0
        try:
            value = exact_value(found)
        except NoValue as problem:
            return Verdict(Outcome.WRONG, parts, text[:200], f"the formula {problem}")
        if value != target:
            why = f"the formula comes to {value}, not {target}"
            return Verdict(Outcome.WRONG, parts, text[:200], why)
        return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, text[:200])

    def _stated(self, response: str) -> str | None:
        """Return the formula as it stands in a response, None where nothing does."""
        found = final_text(response, self._pattern, ("text",))
        return None if found is None else found.text.strip() or None
