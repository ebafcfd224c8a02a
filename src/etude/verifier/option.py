"""One chosen option of a lettered question, compared by its letter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.answers import symbolic
from etude.verifier.interface import THOUGHT, Verifier

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_FORMAT = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)


@component(
    source="arXiv 2503.24376",
    requires=(Need("column:answer", why="to know the right option"),),
    provides=("part:accuracy", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Option(Verifier):
    """Compares one chosen option (``B. cut``) with the column ``answer``, by its first character.

    The part ``accuracy`` is 1 where math-verify finds the whole response equal to the answer, or
    else where the first ``<answer>…</answer>`` of the response begins with the character that the
    right one begins with (an answer without tags is taken as a whole); without tags in the response
    it is 0. So it is for options alone: whatever begins with the right letter is right. ``format``
    is 1 where the response begins with ``<think>…</think><answer>…</answer>``; text may follow.
    ``length`` is the response's tokens.
    """

    answer_can_exhaust: ClassVar[bool] = True

    timeout: float = option(10.0, "wall-clock seconds a row may take", gt=0, le=86_400)
    pattern: str | None = option(
        r"(?s)<answer>(.*?)</answer>",
        "regex whose group holds the chosen option (its first match)",
        form="regex",
    )
    precision: int = option(6, "decimal places to which math-verify rounds decimals", ge=0, le=300)
    equal: bool = option(True, "the whole response is first compared as mathematics")

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def warm(self) -> None:
        """Import math-verify and build its grammar."""
        symbolic.warm()

    def chosen(self, text: str) -> str | None:
        """Return the option that a text chooses, None where nothing says so."""
        found = (self._pattern or _ANSWER).search(text)
        if found is None:
            return None
        return (found.group(1) if found.re.groups else found.group()).strip()

    def right(self, gold: str) -> str:
        """Return the option that is right: what the tags hold, or all of a gold without any."""
        tagged = self.chosen(gold)
        return gold.strip() if tagged is None else tagged

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with: it names no option."""
        return None if self.right(gold) else f"names no option: {gold[:60]!r}"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict; raises ValueError (a crash of the row) when its answer is empty."""
        gold = str(candidate.columns["answer"])
        right = self.right(gold)
        if not right:
            raise ValueError("the row's answer names no option")
        given = self.chosen(candidate.response)
        is_right = bool(given) and given is not None and given[0] == right[0]
        if not is_right and self.equal:
            is_right = self._as_mathematics(candidate.response, gold)
        parts = {
            "accuracy": float(is_right),
            "format": float(_FORMAT.match(candidate.response) is not None),
            "length": float(candidate.length),
        }
        if is_right:
            return Verdict(Outcome.CORRECT, parts, extracted=given)
        return Verdict(Outcome.WRONG if given else Outcome.NO_ANSWER, parts, extracted=given)

    def _as_mathematics(self, response: str, gold: str) -> bool:
        """Return whether math-verify reads the same in a whole response and in the answer."""
        wanted, given = symbolic.found_in(gold), symbolic.found_in(response)
        return bool(wanted and given) and symbolic.verified(wanted, given, self.precision)
