"""A verifier without a process of its own: an answer of an even number of tokens is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.component import component
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.host import Host
from etude.verifier.opened import Judging, OpenedVerifier


@component(provides=["part:accuracy"])
@dataclass(frozen=True)
class Parity(OpenedVerifier):
    """Goes by the number of tokens alone."""

    def open(self, host: Host) -> Counting:
        return Counting()


class Counting(Judging):
    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        return [
            Verdict(
                Outcome.WRONG if each.length % 2 else Outcome.CORRECT,
                {"accuracy": float(each.length % 2 == 0)},
            )
            for each in candidates
        ]
