"""A verifier that says what its answers say it shall: for golden cases of what wraps verifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.opened import Judging, OpenedVerifier


@component(group="verifier", name="given of golden cases", provides=["part:accuracy"])
@dataclass(frozen=True)
class Given(OpenedVerifier):
    """Gives the share that an answer's column names, and -1 or 0 as the first wrong step."""

    column: str = "given"

    def open(self, host: Any) -> Giving:
        return Giving(self.column)


class Giving(Judging):
    def __init__(self, column: str) -> None:
        self._column = column

    def judge(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        found = [float(each.columns[self._column]) for each in candidates]
        return [
            Verdict(
                Outcome.CORRECT if share == 1 else Outcome.WRONG,
                {"accuracy": share, "first_wrong": -share},
            )
            for share in found
        ]


def candidates(**columns: Sequence[Any]) -> list[Candidate]:
    """Return one answer a row, with these columns."""
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return [Candidate(f"golden:{i}", i, "", "", row, seed=i) for i, row in enumerate(rows)]
