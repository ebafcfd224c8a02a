"""Verifiers that say the same of every answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.component import component
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.opened import Judging, OpenedVerifier


class Saying(Judging):
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self.asked: list[str] = []

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        self.asked += [each.id for each in candidates]
        right = float(self._outcome is Outcome.CORRECT)
        parts = {} if self._outcome.failed else {"accuracy": right}
        return [Verdict(self._outcome, parts) for _ in candidates]


@component(group="verifier", name="always of a test", provides=["part:accuracy"])
@dataclass(frozen=True)
class Always(OpenedVerifier):
    """Accepts every answer."""

    def open(self, host: Any) -> Saying:
        return Saying(Outcome.CORRECT)


@component(group="verifier", name="never of a test", provides=["part:accuracy"])
@dataclass(frozen=True)
class Never(OpenedVerifier):
    """Says of every answer what it is told to, by default that it is wrong."""

    outcome: Outcome = field(default=Outcome.WRONG)

    def open(self, host: Any) -> Saying:
        return Saying(self.outcome)
