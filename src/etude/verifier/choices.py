"""Questions with several right choices, graded: a part of the right ones earns a part."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.extract import final_text
from etude.verifier.interface import THOUGHT, Verifier

_FORMAT = re.compile(r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*", re.DOTALL)


@component(
    source="arXiv 2505.24718",
    requires=(Need("column:answer", why="to know the right choices"),),
    provides=("part:accuracy", "part:choices", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Choices(Verifier):
    """Compares chosen options (``A,C``) with the column ``answer``, as sets.

    The part ``choices`` is the share of right options that were chosen, and 0 once a wrong one is
    among them; ``accuracy`` is 1 for exactly the right ones (the hard variant, which decides
    whether an answer is correct). ``format`` is 1 where the whole response is
    ``<think>…</think><answer>…</answer>`` with each tag once; ``length`` is the response's tokens.
    Options are divided by commas; spaces do not count.
    """

    answer_can_exhaust: ClassVar[bool] = True

    pattern: str | None = option(
        r"(?s)<answer>(.*?)</answer>",
        "regex whose group holds the options (its last match); null: markers, box, or all the text",
        form="regex",
    )
    case: bool = option(True, "upper and lower case differ")

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def options(self, text: str) -> frozenset[str]:
        """Return the options a text names; none for an empty text."""
        bare = re.sub(r"\s+", "", text if self.case else text.casefold())
        return frozenset(bare.split(",")) if bare else frozenset()

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with: it names no option."""
        named = all(self.options(gold)) and bool(self.options(gold))
        return None if named else f"names no options (A,C): {gold[:60]!r}"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict; raises ValueError (the row crashes) when its answer is empty."""
        right = self.options(str(candidate.columns["answer"]))
        if not right:
            raise ValueError("the row's answer names no option")
        found = final_text(candidate.response, self._pattern)
        given = self.options(found.text) if found is not None else frozenset()
        parts = {
            "accuracy": float(given == right),
            "choices": len(given) / len(right) if given <= right else 0.0,
            "format": float(is_formatted(candidate.response)),
            "length": float(candidate.length),
        }
        if found is None or not given:
            return Verdict(Outcome.NO_ANSWER, parts)
        outcome = Outcome.CORRECT if given == right else Outcome.WRONG
        return Verdict(outcome, parts, extracted=found.text.strip())


def is_formatted(text: str) -> bool:
    """Return whether a response is a thought and an answer in their tags, each opened once."""
    once = text.count("<think>") == 1 and text.count("<answer>") == 1
    return once and _FORMAT.fullmatch(text) is not None
