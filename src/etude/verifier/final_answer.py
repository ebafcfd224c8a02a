"""The final answer of a response as a judge is to see it: nothing else of the response."""

from __future__ import annotations

import re
from abc import ABC
from dataclasses import dataclass

from etude.component import option
from etude.rows import Candidate, StopReason
from etude.verifier.extract import Place, answer_part, final_text
from etude.verifier.guards import refusal
from etude.verifier.opened import OpenedVerifier

#: Where an answer may stand that something announces.
_ANNOUNCED: tuple[Place, ...] = ("box", "tag", "marker")


@dataclass(frozen=True)
class ReadsFinalAnswer(OpenedVerifier, ABC):
    """The base of verifiers that find the final answer of a response to show it to a model."""

    require_box: bool = option(
        False, "only what is boxed is an answer; false: also what a tag or a marker announces"
    )
    thinking: bool = option(False, "what stands between <think> and </think> is read, too")
    pattern: str | None = option(
        None, "regex whose group holds the answer (its last match), and nothing else", form="regex"
    )
    longest: int = option(256, "characters of the longest answer that a model is shown", ge=1)

    def solution(self, response: str) -> tuple[str, int]:
        """Return a response without its thinking part, and the characters that lie before it."""
        if self.thinking:
            return response, 0
        before, mark, _ = response.rpartition("</think>")
        return answer_part(response), len(before + mark)

    def final_answer(self, response: str) -> str | None:
        """Return the announced answer of a response; None where there is none."""
        pattern = None if self.pattern is None else re.compile(self.pattern)
        text, _ = self.solution(response)
        read = final_text(text, pattern, ("box",) if self.require_box else _ANNOUNCED)
        return (read.text.strip() or None) if read is not None else None

    def refused(self, answer: str | None, candidate: Candidate) -> str | None:
        """Return why a model is not asked about an answer; None where it is.

        Of several right answers one that the answer could be is enough.
        """
        golds = candidate.columns.get("answer")
        every = golds if isinstance(golds, (list, tuple)) else [golds]
        found = [refusal(answer, str(gold), self.longest) for gold in every]
        return None if None in found else found[0]

    @staticmethod
    def plain_parts(candidate: Candidate, answer: str | None) -> dict[str, float]:
        """Return the parts that every verifier of final answers gives, of one not found right."""
        ended = candidate.stop_reason is not StopReason.LENGTH
        return {
            "accuracy": 0.0,
            "format": float(answer is not None and ended),
            "length": float(candidate.length),
        }
