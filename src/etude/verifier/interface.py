"""What a verifier is, and what opening one gives: rows in, verdicts out, whatever happens to them.

A verifier is a pure function of a candidate that runs in a worker process. Whatever a row does to
its worker (hang, exit, exhaust its memory) becomes that row's outcome; no other row is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from etude.component import option
from etude.rows import Candidate, Outcome, Verdict

#: Whether a verifier looks at one answer or needs every answer to a prompt together.
Unit = Literal["row", "group"]


class Judge(Protocol):
    """An opened verifier: batches of candidates in, verdicts in the same order out."""

    counts: dict[Outcome, int]
    """Verdicts of each outcome since the judge was opened."""

    seconds: list[float]
    """Wall-clock seconds each candidate of the last batch took."""

    def verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict a candidate; raises VerifierError only when nothing can be judged."""

    def close(self) -> None:
        """End the worker processes; closing twice is fine."""


@dataclass(frozen=True)
class Verifier:
    """The base of verifiers that run in workers: the limits of a row, and how to open one.

    A subclass implements :meth:`judge`, or :meth:`judge_group` with ``unit = "group"`` when it
    must see every answer to a prompt at once (pairwise, majority). It is sent to the workers by
    pickling, so its module must be importable there, and light.
    """

    unit: ClassVar[Unit] = "row"

    timeout: float = option(5.0, "wall-clock seconds a row may take (a group: all its rows)", gt=0)
    memory: int = option(4096, "MiB of address space a worker may take", ge=256)

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer; pure, and run in a worker."""
        return self.judge_group([candidate])[0]

    def judge_group(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return verdicts on answers that belong together, in their order."""
        if type(self).judge is Verifier.judge:
            raise TypeError(f"{type(self).__qualname__} defines neither judge nor judge_group")
        return [self.judge(candidate) for candidate in candidates]

    def warm(self) -> None:
        """Import what judging needs; run once in each worker, outside any row's clock."""

    def open(self, workers: int = 1) -> Judge:
        """Return a judge with ``workers`` processes, started when the first rows come."""
        from etude.verifier.pool import Pool

        return Pool(self, workers)
