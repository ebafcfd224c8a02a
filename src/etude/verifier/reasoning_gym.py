"""Answers to tasks of the package reasoning_gym, judged by the task's own scorer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.tasks import gym
from etude.verifier.interface import THOUGHT, Verifier


@component(
    source="arXiv 2505.24760",
    requires=(
        Need(f"package:{gym.PACKAGE}", why="to score answers"),
        Need("column:task", why="to know whose scorer judges"),
        Need("column:entry", why="which the scorer compares with"),
    ),
    provides=(
        *(f"part:{name}" for name in ("accuracy", "score", "format", "length")),
        THOUGHT,
    ),
)
@dataclass(frozen=True)
class ReasoningGym(Verifier):
    """Scores the answer in the last ``<answer> … </answer>`` as the task of its row does.

    The part ``score`` is what the task's scorer says, from 0 to 1; ``accuracy`` is 1 where that is
    1, ``format`` where the tags are there and the response ended by itself; ``length`` is the
    response's tokens. An answer between 0 and 1 is partly right. One that the scorer cannot read
    is wrong.
    """

    example: ClassVar[str] = "recipe=rl verifier=reasoning_gym data_mix=reasoning_gym"
    answer_can_exhaust: ClassVar[bool] = True

    pattern: str | None = option(
        r"(?s)<answer>(.*?)</answer>",
        "regex whose group holds the answer (its last match); null: the whole response",
        form="regex",
    )

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.pattern is None else re.compile(self.pattern)

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why a row has no item to compare with, None where it has one."""
        entry = columns.get("entry")
        if not isinstance(entry, Mapping) or "answer" not in entry:
            return f"is no item of reasoning_gym in the column entry: {entry!r:.60}"
        if not isinstance(columns.get("task"), str):
            return "has no name of a task in the column task"
        return super().unreadable(columns)

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer; raises DataError (a crash) for a task there is not."""
        scorer = gym.scorer(candidate.columns["task"])
        given = self._given(candidate.response)
        ended = candidate.stop_reason is not StopReason.LENGTH
        parts = {
            "accuracy": 0.0,
            "score": 0.0,
            "format": float(given is not None and ended),
            "length": float(candidate.length),
        }
        if given is None:
            return Verdict(Outcome.NO_ANSWER, parts, detail="no answer stands in its tags")
        try:
            score = float(scorer(answer=given, entry=candidate.columns["entry"]))
        except MemoryError:
            raise
        except Exception as error:  # whatever a scorer cannot read is the answer's doing
            why = f"the scorer cannot read it: {type(error).__name__}: {error}"
            return Verdict(Outcome.WRONG, parts, given[:200], why[:200])
        if not math.isfinite(score):
            return Verdict(Outcome.WRONG, parts, given[:200], f"the scorer says {score}")
        parts.update(score=score, accuracy=float(score >= 1.0))
        if score >= 1.0:
            return Verdict(Outcome.CORRECT, parts, given[:200])
        why = f"the scorer of {candidate.columns['task']} gives it {score:g}"
        if score > 0:
            return Verdict(Outcome.PARTIAL, parts, given[:200], why, share=score)
        return Verdict(Outcome.WRONG, parts, given[:200], why)

    def _given(self, response: str) -> str | None:
        if self._pattern is None:
            return response.strip() or None
        found = None
        for match in self._pattern.finditer(response):
            found = match
        if found is None:
            return None
        return (found.group(1) if found.re.groups else found.group()).strip() or None

    def warm(self) -> None:
        """Import the package."""
        import reasoning_gym  # noqa: F401
