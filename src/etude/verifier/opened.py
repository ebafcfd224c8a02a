"""Verifiers that judge in the process of the stage: they wrap others, ask models, have state.

Such a verifier is opened with the stage, on every rank, before its first step
(:mod:`etude.verifier.host`). A rank then judges the rows of its own prompts. So a verdict depends
on its row, the models and the state alone: never on the rows beside it (an engine's tokens do not),
and whatever is random is keyed by ``candidate.seed``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from etude.errors import VerifierError
from etude.live import Live
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.host import Host
from etude.verifier.interface import Ahead, Judge
from etude.verifier.readable import Readable


class Judging(Live, ABC):
    """The live side of a verifier that judges in the process of the stage.

    A subclass implements :meth:`judge`, and of :class:`etude.live.Live` what it needs. Judging
    changes no state: a state that moves by what was judged moves in ``observe``, which tells every
    rank of the rows of all.
    """

    #: The judge that is asked about every answer before all else, where there is one: answers are
    #: told to it as they are finished.
    first: Judge | None = None

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Have workers begin with answers while others are still sampled; see :class:`Ahead`."""
        if isinstance(self.first, Ahead):
            self.first.expect(candidates)

    def go_on(self) -> None:
        """Have it looked after workers that have begun."""
        if isinstance(self.first, Ahead):
            self.first.go_on()

    @cached_property
    def counts(self) -> dict[Outcome, int]:
        """Return how many verdicts of each outcome were given since it was opened."""
        return dict.fromkeys(Outcome, 0)

    @abstractmethod
    def judge(self, candidates: Sequence[Candidate]) -> Sequence[Verdict]:
        """Return a verdict for each candidate, in order.

        They are all answers of this rank to some prompts, for training, or all for an evaluation
        (``candidate.evaluation``). A verdict whose outcome ``failed`` leaves its row
        out of training, counted: it is for failures of the verifier, never for a bad answer. An
        error that is raised ends the stage.
        """

    def verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict a candidate; raises VerifierError where there are as many no more.

        One that does not say what it took has an equal share of the seconds of all.
        """
        began = time.perf_counter()
        verdicts = list(self.judge(candidates)) if candidates else []
        if len(verdicts) != len(candidates):
            raise VerifierError(
                f"{type(self).__name__} gave {len(verdicts)} verdicts on {len(candidates)} answers"
            )
        for outcome, count in Counter(verdict.outcome for verdict in verdicts).items():
            self.counts[outcome] += count
        share = (time.perf_counter() - began) / max(1, len(verdicts))
        return [
            replace(verdict, seconds=share) if verdict.seconds is None else verdict
            for verdict in verdicts
        ]


@dataclass(frozen=True)
class OpenedVerifier(Readable, ABC):
    """The base of verifiers that judge in the process of the stage.

    It declares the parts it gives beside those of what it wraps (``provides=["part:judged"]``) and
    the models it asks (``requires=[Need("model:{role}")]``).
    """

    in_stage: ClassVar[bool] = True

    @abstractmethod
    def open(self, host: Host) -> Judge:
        """Return its live side, a :class:`Judging`; every rank opens it, in the same way."""
