"""The final answer of a response as a judge is to see it: nothing else of the response."""

from __future__ import annotations

import re
from abc import ABC
from dataclasses import dataclass

from etude.component import option
from etude.rows import Candidate, StopReason
from etude.verifier.extract import final_text, last_box
from etude.verifier.guards import refusal
from etude.verifier.opened import OpenedVerifier

_BARE_BOX = re.compile(r"\\(?:boxed|fbox)\s+([^\s$.,;{}]+)")


@dataclass(frozen=True)
class ReadsFinalAnswer(OpenedVerifier, ABC):
    """The base of verifiers that find the final answer of a response to show it to a model."""

    require_box: bool = option(
        False, "only what is boxed is an answer; false: also what follows a marker (answer is, A:)"
    )
    after: str | None = option(
        "</think>", "read only what follows the last of this text, where it is there; null: all"
    )
    pattern: str | None = option(
        None, "regex whose group holds the answer (its last match), and nothing else", form="regex"
    )
    longest: int = option(256, "characters of the longest answer that a model is shown", ge=1)

    def solution(self, response: str) -> tuple[str, int]:
        """Return what follows the thinking part, and how many characters lie before it."""
        if not self.after:
            return response, 0
        _, _, rest = response.rpartition(self.after)
        return rest, len(response) - len(rest)

    def final_answer(self, response: str) -> str | None:
        """Return the announced answer of a response; None where there is none."""
        text, _ = self.solution(response)
        if self.pattern is not None:
            read = final_text(text, re.compile(self.pattern))
        else:
            box, bare = last_box(text), _BARE_BOX.findall(text)
            if box is not None and self.require_box:
                return box[1].strip() or None
            if box is None and (bare or self.require_box):
                return bare[-1] if bare else None
            read = final_text(text, None)
        return (read.text.strip() or None) if read is not None and read.marked else None

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
