"""A verdict that is one word of two: ``Final Decision: Yes``, ``\\boxed{1}``, ``Correct``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from etude.component import Rule, component, option
from etude.verifier.verdict.kind import Reading, VerdictForm


@component()
@dataclass(frozen=True)
class Phrase(VerdictForm):
    """A word after a mark says whether the answer is right; two that differ say nothing."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("accepts != rejects", "is {accepts} and rejects={rejects}: a verdict has to differ."),
    )

    pattern: str = option(
        r"Final Decision:\s*(\w+)",
        "regex whose group holds the word, in any case; each match has to say the same",
        form="regex with group",
    )
    accepts: str = option("yes", "the word of a right answer", form="filled")
    rejects: str = option("no", "the word of a wrong one", form="filled")
    whole: bool = option(False, "the reply has to be nothing but the verdict")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)

    def read(self, reply: str, steps: int = 0) -> Reading:
        """Return the one verdict of a reply."""
        if self.whole:
            match = self._pattern.fullmatch(reply.strip())
            words = [] if match is None else [match.group(1)]
        else:
            words = [match.group(1) for match in self._pattern.finditer(reply)]
        said = {(word or "").strip().casefold() for word in words}
        known = {self.accepts.casefold(): True, self.rejects.casefold(): False}
        if len(said) != 1 or not said <= known.keys():
            return Reading(None)
        return Reading(known[said.pop()])
