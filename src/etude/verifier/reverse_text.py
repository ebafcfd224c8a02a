"""Texts read backwards: how alike an answer is to the column ``text`` from its end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.extract import final_text
from etude.verifier.interface import THOUGHT, Verifier


@component(
    source="the example reverse_text of prime-rl (github.com/PrimeIntellect-ai/prime-rl)",
    requires=(Need("column:text", why="to know what is to be read backwards"),),
    provides=(
        *(f"part:{name}" for name in ("accuracy", "similarity", "format", "length")),
        THOUGHT,
    ),
)
@dataclass(frozen=True)
class ReverseText(Verifier):
    """Compares an answer with the column ``text`` read backwards, character by character.

    The part ``similarity`` is 2·M/T, with M the characters that match in the same order, as
    Python's difflib finds them, and T those of both texts; it is the share of a partly right
    answer. ``accuracy`` is 1 where all do, ``format`` where an answer was found and the response
    ended by itself; ``length`` is the response's tokens.
    """

    example: ClassVar[str] = (
        "recipe=rl verifier=reverse_text reward_weighting=reverse_text data_mix=reverse_text"
    )
    answer_can_exhaust: ClassVar[bool] = True

    pattern: str | None = option(
        r"<reversed_text>([\s\S]*?)</reversed_text>",
        "regex whose group holds the answer (its last match); null: the whole response",
        form="regex",
    )

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why the text of a row cannot be read, None where it can."""
        text = columns.get("text")
        if not isinstance(text, str) or not text.strip():
            return f"has no text in the column text: {text!r:.60}"
        return super().unreadable(columns)

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer."""
        given = self._stated(candidate.response)
        parts = {
            "accuracy": 0.0,
            "similarity": 0.0,
            "format": float(
                given is not None and candidate.stop_reason is not StopReason.LENGTH,
            ),
            "length": float(candidate.length),
        }
        if given is None:
            return Verdict(Outcome.NO_ANSWER, parts, detail="no answer is stated")
        right = str(candidate.columns["text"])[::-1].strip()
        share = SequenceMatcher(None, given, right, autojunk=False).ratio()
        parts["similarity"] = share
        if given == right:
            return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, given[:200])
        if share > 0:
            return Verdict(Outcome.PARTIAL, parts, given[:200], share=share)
        return Verdict(Outcome.WRONG, parts, given[:200])

    def _stated(self, response: str) -> str | None:
        """Return the answer as it stands in a response, None where nothing does."""
        found = final_text(response, self._pattern, ("text",))
        return None if found is None else found.text.strip() or None
