"""Answers that are shorter than answers have been so far (arXiv 2509.11452)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from etude.component import component, slot
from etude.feedback import StepFeedback
from etude.live import Tree
from etude.rows import POLICY, Candidate, Verdict
from etude.verifier.host import Host
from etude.verifier.interface import Verifier
from etude.verifier.opened import Judging, OpenedVerifier


@component(source="arXiv 2509.11452", provides=("part:conciseness",))
@dataclass(frozen=True)
class Concise(OpenedVerifier):
    """What another verifier says, and the part ``conciseness``: 1 for fewer tokens than usual.

    Usual is the mean length of all answers that the stage has trained on so far, not of the step's:
    it moves once a step, and before the first one no answer is concise.
    """

    rule: Verifier = slot("number", "what judges the answer itself", group="verifier")

    def open(self, host: Host) -> Comparing:
        """Return what judges, with the mean length so far."""
        return Comparing(host.open(self.rule))


class Comparing(Judging):
    """Judges by a rule and by the mean length of the answers of the steps before."""

    def __init__(self, rule: Any) -> None:
        self._rule = self.first = rule
        self._tokens = 0
        self._answers = 0

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return the rule's verdicts; one that has parts gets one more."""
        found: list[Verdict] = self._rule.verify(candidates)
        return [
            replace(verdict, parts={**verdict.parts, "conciseness": self._concise(each.length)})
            if verdict.parts
            else verdict
            for verdict, each in zip(found, candidates, strict=True)
        ]

    def _concise(self, length: int) -> float:
        return float(self._answers > 0 and length * self._answers < self._tokens)

    def observe(self, feedback: StepFeedback) -> None:
        """Count the answers of a step."""
        lengths = [row.length for row in feedback.rows if row.parts and row.role == POLICY]
        self._tokens += sum(lengths)
        self._answers += len(lengths)

    def metrics(self) -> dict[str, float]:
        """Return the mean length so far."""
        return {"mean_length": self._tokens / max(1, self._answers)}

    def state_dict(self) -> Tree:
        """Return what was counted."""
        return {"tokens": self._tokens, "answers": self._answers}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what was counted."""
        self._tokens, self._answers = int(state["tokens"]), int(state["answers"])
