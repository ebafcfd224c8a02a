"""Answers compared as text, after both are written alike."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.extract import final_text
from etude.verifier.interface import THOUGHT, Verifier


@component(
    requires=(Need("column:answer", why="to compare the answer with"),),
    provides=("part:accuracy", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Exact(Verifier):
    """Compares the final answer with the column ``answer`` as normalised text.

    The final answer is what follows the last marker (``####``, ``A:``, ``answer is``), stands in
    the last ``\\boxed{}`` or in the configured pattern's group; without any, the whole response.
    Parts are those of the verifier ``number``.
    """

    answer_can_exhaust: ClassVar[bool] = True

    pattern: str | None = option(
        None,
        "regex whose group holds the answer (its last match); null: markers, or all the text",
        form="regex",
    )
    case: bool = option(False, "upper and lower case differ")
    punctuation: bool = option(False, "full stops, quotes and the like around the answer count")

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def normal(self, text: str) -> str:
        """Return text as it is compared: Unicode form NFKC, single spaces, and as configured."""
        text = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip()
        if not self.case:
            text = text.casefold()
        return text if self.punctuation else text.strip(" .,;:!?\"'`*$")

    def gold_fault(self, gold: str) -> str | None:
        """Return why a right answer cannot be compared with: nothing of it counts."""
        return None if self.normal(gold) else f"holds nothing that counts: {gold[:60]!r}"

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer."""
        found = final_text(candidate.response, self._pattern)
        given = self.normal(found.text) if found is not None else ""
        ended = candidate.stop_reason is not StopReason.LENGTH
        parts = {
            "accuracy": 0.0,
            "format": float(bool(given) and found is not None and found.marked and ended),
            "length": float(candidate.length),
        }
        if not given:
            return Verdict(Outcome.NO_ANSWER, parts)
        if given != self.normal(str(candidate.columns["answer"])):
            return Verdict(Outcome.WRONG, parts, extracted=given)
        return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, extracted=given)
