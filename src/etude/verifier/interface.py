"""What a verifier is, and what opening one gives: rows in, verdicts out, whatever happens to them.

Most are pure functions of a candidate that run in worker processes (:class:`Verifier`). Whatever a
row does to its worker (hang, exit, exhaust its memory) becomes that row's outcome; no other row is
touched. One that asks models, wraps others of any kind or has state judges in the process of the
stage (:class:`etude.verifier.opened.OpenedVerifier`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, runtime_checkable

from etude.component import Need, option
from etude.errors import VerifierError
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.declared import parts_of
from etude.verifier.host import Host, host_of
from etude.verifier.pool import Pool
from etude.verifier.readable import Readable

#: Whether a verifier looks at one answer or needs every answer to a prompt together.
Unit = Literal["row", "group"]


#: What every verifier that runs in workers may give beside its own parts.
THOUGHT = Need("part:thought", when="thought == true")


def sound(verdict: Verdict) -> Verdict:
    """Return a verdict whose parts are finite numbers; one with a part that is none is a failure.

    So is a partial one that does not say how much is right. Either is the verifier's own mistake.
    Left in, one row's nan would be the reward of its whole group. A part on spans is the sum of
    their values.
    """
    for name, spans in verdict.spans.items():
        for start, end, value in spans:
            if not 0 <= start < end or not math.isfinite(value):
                why = "which has to be (start, end, value), 0 <= start < end, a finite value"
                told = f"part '{name}' has the span ({start}, {end}, {value}), {why}"
                return Verdict(Outcome.CRASHED, {}, verdict.extracted, told)
    if verdict.spans:
        sums = {name: math.fsum(v for _, _, v in found) for name, found in verdict.spans.items()}
        verdict = replace(verdict, parts={**verdict.parts, **sums})
    bad = [name for name, value in verdict.parts.items() if not math.isfinite(value)]
    if bad:
        told = ", ".join(f"part '{name}' is {verdict.parts[name]}" for name in bad)
        return Verdict(Outcome.CRASHED, {}, verdict.extracted, f"{told}, which is no finite number")
    if verdict.outcome is Outcome.PARTIAL:
        share = verdict.credit
        if share is None or not 0.0 <= share <= 1.0:
            told = f"an answer is partly right, and its share is {share}, no number from 0 to 1"
            return Verdict(Outcome.CRASHED, {}, verdict.extracted, told)
    return verdict


class Judge(Protocol):
    """An opened verifier: batches of candidates in, verdicts in the same order out."""

    @property
    def counts(self) -> dict[Outcome, int]:
        """Return the verdicts of each outcome since the judge was opened."""

    def verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict a candidate, with the seconds that it took.

        Raises VerifierError only when nothing can be judged.
        """

    def close(self) -> None:
        """End the worker processes; closing twice is fine."""


@runtime_checkable
class Ahead(Protocol):
    """A judge that can begin with answers before it is asked for verdicts on them.

    What it says of an answer is the same either way.
    """

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Begin to judge answers; :meth:`Judge.verify` is asked about the same objects later.

        Waits for nothing. Those that it is not asked about the next time are forgotten.
        """

    def go_on(self) -> None:
        """Do what is to be done about them without waiting for anything."""


@dataclass(frozen=True)
class Verifier(Readable):
    """The base of verifiers that run in workers: the limits of a row, and how to open one.

    A subclass implements :meth:`judge`, or :meth:`judge_group` with ``unit = "group"`` when it
    must see every answer to a prompt at once (pairwise, majority). It is sent to the workers by
    pickling, so its module must be importable there, and light.
    """

    unit: ClassVar[Unit] = "row"
    #: Whether time, memory and nesting are spent by what the answer says: an answer that takes more
    #: of one than there is is then wrong (:meth:`exhausted`) instead of not judged. Of groups it is
    #: not known whose answer it was.
    answer_can_exhaust: ClassVar[bool] = False

    timeout: float = option(
        5.0, "wall-clock seconds a row may take (a group: all its rows)", gt=0, le=86_400
    )
    batch_timeout: float = option(
        60.0,
        "seconds by which answers that run out of time may delay a step; then the rest is unjudged",
        kind="execution",
        gt=0,
        le=86_400,
    )
    memory: int = option(4096, "MiB of address space a worker may take", ge=256, le=10_000_000)
    after: str | None = option(
        None,
        "read only what follows the last of this text (</think>), and nothing where it is missing; "
        "null: all",
    )
    thought: bool = option(
        False,
        "give the part thought: 1 where an answer holds <think> and </think> once each, in order",
    )

    def verdicts(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return verdicts on answers that belong together, read as ``after`` says.

        This is what workers run. The part ``thought`` is that of the whole answers. A row whose
        right answer cannot be read is refused.
        """
        refused = [self.refusal(candidate) for candidate in candidates]
        some = [each for each, no in zip(candidates, refused, strict=True) if no is None]
        judged = iter(self._verdicts(some) if some else [])
        return [next(judged) if no is None else no for no in refused]

    def refusal(self, candidate: Candidate) -> Verdict | None:
        """Return the verdict on a row that cannot be judged, whatever is answered."""
        missing = [name for name in self.columns_read if name not in candidate.columns]
        if missing:
            told = f"row {candidate.id} has no column {' and no column '.join(missing)}"
            return Verdict(Outcome.REFUSED, {}, detail=told)
        problem = self.unreadable(candidate.columns)
        if problem is None:
            return None
        reader = self.reader_of(candidate.columns)
        # Who reads more than one column says of what it speaks.
        it = f"its {reader.gold}" if type(reader).unreadable is Readable.unreadable else "it"
        told = f"row {candidate.id} cannot be judged: {it} {problem}"
        return Verdict(Outcome.REFUSED, {}, detail=told)

    def _verdicts(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        read = [self._read(candidate) for candidate in candidates]
        found = [
            _moved(verdict, len(whole.response) - len(part.response))
            for verdict, whole, part in zip(self._judged(read), candidates, read, strict=True)
        ]
        if not self.thought:
            return found
        return [
            replace(each, parts={**each.parts, "thought": float(thinks(candidate.response))})
            if not each.outcome.failed
            else each
            for each, candidate in zip(found, candidates, strict=True)
        ]

    def exhausted(self, candidate: Candidate, why: str) -> Verdict:
        """Return the verdict on an answer that takes more than there is: wrong, with all parts.

        ``why`` completes "the answer …". Parts that are declared are 0, ``length`` is its tokens.
        """
        parts = dict.fromkeys(parts_of(self) or ("accuracy",), 0.0)
        if "length" in parts:
            parts["length"] = float(candidate.length)
        if self.thought:
            parts["thought"] = float(thinks(candidate.response))
        return Verdict(Outcome.WRONG, parts, detail=f"the answer {why}")

    def _read(self, candidate: Candidate) -> Candidate:
        if not self.after:
            return candidate
        _, mark, rest = candidate.response.rpartition(self.after)
        return replace(candidate, response=rest if mark else "")

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict on one answer; pure, and run in a worker.

        Raises DataError where the row's columns cannot be read: the row is refused. Any other error
        is a failure of the verifier.
        """
        return self.judge_group([candidate])[0]

    def judge_group(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return verdicts on answers that belong together, in their order."""
        if type(self).judge is Verifier.judge:
            raise TypeError(f"{type(self).__qualname__} defines neither judge nor judge_group")
        return [self.judge(candidate) for candidate in candidates]

    def _judged(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return verdicts; of several right answers the one that fits counts."""
        if self.unit == "group":
            return list(self.judge_group(candidates))
        return [self._best(candidate) for candidate in candidates]

    def _best(self, candidate: Candidate) -> Verdict:
        golds = candidate.columns.get(self.gold)
        compared = self._compares or not self.columns_read
        if not (self.alternatives and compared and isinstance(golds, (list, tuple))):
            return self.judge_group([candidate])[0]
        found: list[Verdict] = []
        for gold in golds:
            one = replace(candidate, columns={**candidate.columns, self.gold: gold})
            found.append(self.judge_group([one])[0])
            if found[-1].outcome is Outcome.CORRECT:
                break
        return max(found, key=lambda verdict: verdict.credit or 0.0)

    def warm(self) -> None:
        """Import what judging needs; run once in each worker, outside any row's clock."""

    def open(self, host: Host | int = 1) -> Judge:
        """Return a judge with the host's number of processes, started when the first rows come.

        A number stands for a host with so many and nothing else. What it wraps judges in the same
        processes; raises VerifierError where that has to be opened.
        """
        for each in self.wrapped:
            if not isinstance(each, Verifier):
                raise VerifierError(
                    f"{self.title} runs in worker processes and wraps {each.title}, which judges in"
                    " the process of the stage; it has to be an OpenedVerifier itself"
                )
        return Pool(self, host_of(host).workers)


def _moved(verdict: Verdict, by: int) -> Verdict:
    """Return a verdict on the end of a response with its spans counted from the beginning."""
    if not by or not verdict.spans:
        return verdict
    spans = {
        name: [(start + by, end + by, value) for start, end, value in found]
        for name, found in verdict.spans.items()
    }
    return replace(verdict, spans=spans)


def thinks(text: str) -> bool:
    """Return whether a text holds one ``<think>`` and, behind it, one ``</think>``."""
    once = text.count("<think>") == 1 and text.count("</think>") == 1
    return once and text.index("<think>") < text.index("</think>")
