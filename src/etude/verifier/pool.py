"""Worker processes that can be killed: every row gets a verdict, whatever it does to its worker.

The parent keeps the clock. A row that exceeds it has its worker killed and is *timed out*; a row
whose worker dies is *crashed*, with the reason; in both cases the rest of the worker's rows are
judged by a fresh one. Where time, memory and nesting are the answer's to spend, one that takes too
much is wrong instead (``answer_can_exhaust``). Once rows that ran out of time have taken what they
may of a step together, the rows behind them are left without a verdict, so a step waits no longer
than that. A worker that cannot start at all is an error, never a verdict.

Rows may be expected before verdicts on them are asked for: workers then judge them while the parent
does something else. It looks after them whenever it says so (:meth:`Pool.go_on`), and nothing that
takes their time then delays anybody.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any, Protocol

from etude.errors import VerifierError
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.worker_process import START_LIMIT, Unit, Worker, ending

#: The least share of its time that a row has to be at work for running out of it to be the
#: answer's doing.
_AT_WORK = 0.1

#: What an answer does whose judging ends in an error of these kinds.
_WHY = {
    "MemoryError": "cannot be judged in {memory} MiB of memory (verifier.memory)",
    "RecursionError": "is nested too deeply to be read",
}


class Sent(Protocol):
    """A verifier as far as its workers' keeper is concerned; it is pickled and sent to them."""

    @property
    def unit(self) -> str:
        """Return whether it judges one answer (``row``) or all to a prompt (``group``)."""

    @property
    def title(self) -> str:
        """Return what messages call it."""

    @property
    def timeout(self) -> float:
        """Return the seconds that a row may take."""

    @property
    def batch_timeout(self) -> float:
        """Return the seconds by which rows that run out of time may delay a step."""

    @property
    def memory(self) -> int | None:
        """Return the most memory of a worker."""

    @property
    def answer_can_exhaust(self) -> bool:
        """Return whether time and memory are the answer's to spend."""

    def exhausted(self, candidate: Candidate, why: str) -> Verdict:
        """Return the verdict on an answer that takes more than there is."""


class Pool:
    """A judge with worker processes, started when they are needed and killed when they hang."""

    def __init__(self, verifier: Sent, workers: int) -> None:
        if workers < 1:
            raise VerifierError(f"a verifier needs at least one worker, not {workers}")
        self._verifier = verifier
        self._limit = workers
        self._workers: list[Worker] = []
        self._waiting: deque[Unit] = deque()
        self._expected: dict[int, Unit] = {}
        # Seconds by which units that ran out of time have delayed those that are waited for.
        self._lost = 0.0
        self.counts: dict[Outcome, int] = dict.fromkeys(Outcome, 0)

    def expect(self, candidates: Sequence[Candidate]) -> None:
        """Begin to judge answers that :meth:`verify` will be asked about; waits for nothing.

        Those that it is not asked about the next time are forgotten. Of a group all answers have to
        be there, so a verifier of groups begins with none.
        """
        if self._verifier.unit != "row":
            return
        for each in candidates:
            unit = self._expected[id(each)] = Unit([each])
            self._waiting.append(unit)
        self.go_on()

    def go_on(self) -> None:
        """Hear what workers have said and give them what waits; waits for nothing."""
        with self._closed_by_errors():
            while self._waiting or self._busy():
                self._hand_out()
                if not self._collect(patient=False):
                    break

    def verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict a candidate, in order; raises VerifierError when none can start."""
        places = self._places(candidates)
        units = [self._unit([candidates[place] for place in own]) for own in places]
        self._forget(units)
        pending = deque(units)
        # What is measured has its time: no step waits for it.
        hurry = not all(candidate.evaluation for candidate in candidates)
        with self._closed_by_errors():
            while pending:
                if pending[0].verdicts is not None:
                    pending.popleft()
                    continue
                self._hand_out()
                self._collect()
                if hurry:
                    self._give_up()
        found: dict[int, Verdict] = {}
        for own, unit in zip(places, units, strict=True):
            found |= zip(own, unit.verdicts or (), strict=True)
        settled = [found[place] for place in range(len(candidates))]
        for outcome, count in Counter(verdict.outcome for verdict in settled).items():
            self.counts[outcome] += count
        return settled

    def close(self) -> None:
        """Kill every worker."""
        workers, self._workers = self._workers, []
        self._waiting.clear()
        self._expected.clear()
        for worker in workers:
            worker.end()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _closed_by_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    # What is judged ------------------------------------------------------------------------

    def _places(self, candidates: Sequence[Candidate]) -> list[list[int]]:
        """Return the places of the answers that are judged in one go."""
        if self._verifier.unit == "row":
            return [[place] for place in range(len(candidates))]
        groups: dict[str, list[int]] = {}
        for place, candidate in enumerate(candidates):
            groups.setdefault(candidate.id, []).append(place)
        return list(groups.values())

    def _unit(self, candidates: list[Candidate]) -> Unit:
        """Return the unit of some answers: the one that was expected, or one that waits now."""
        known = self._expected.pop(id(candidates[0]), None)
        if known is not None:
            return known
        unit = Unit(candidates)
        self._waiting.append(unit)
        return unit

    def _forget(self, units: Sequence[Unit]) -> None:
        """Forget what was expected and not asked about; from now on what takes time delays."""
        wanted = set(map(id, units))
        self._waiting = deque(unit for unit in self._waiting if id(unit) in wanted)
        self._expected.clear()
        self._lost = 0.0

    # Workers -------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give idle workers a share of what waits, starting workers while there is need."""
        for worker in [each for each in self._workers if not each.units]:
            if worker.ready and worker.process.poll() is not None:  # died idle: no row's doing
                self._drop(worker)
        waiting = self._waiting
        while len(self._workers) < min(self._limit, len(waiting) + len(self._busy())):
            self._workers.append(Worker.start(self._verifier))
        for worker in self._workers:
            if not waiting or worker.units or not worker.ready:
                continue
            share = max(1, min(32, len(waiting) // (2 * self._limit)))
            worker.give([waiting.popleft() for _ in range(share)], self._verifier.timeout)

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.units]

    def _collect(self, *, patient: bool = True) -> bool:
        """Wait for the next reply, death or deadline, and settle what it decides.

        Returns whether there was any; not ``patient``, it looks and does not wait.
        """
        active = [worker for worker in self._workers if worker.units or not worker.ready]
        if not active:
            return False
        left = min(worker.deadline for worker in active) - time.monotonic()
        heard = wait([worker.replies for worker in active], max(0.0, left) if patient else 0.0)
        settled = False
        for worker in active:
            if worker.replies in heard:
                self._hear(worker)
            elif time.monotonic() >= worker.deadline:
                self._expire(worker)
            else:
                continue
            settled = True
        return settled

    def _hear(self, worker: Worker) -> None:
        try:
            reply = json.loads(worker.replies.recv_bytes())
        except (EOFError, OSError, ValueError):
            self._bury(worker)
            return
        if "failed" in reply:
            self._drop(worker)
            raise VerifierError(
                f"{self._verifier.title} cannot start in a worker process:"
                f" {reply['failed'].strip()}"
            )
        if "ready" in reply:
            worker.ready = True
            if self._lost:  # it takes the place of one that was killed
                self._lost += (time.monotonic() - worker.started) / self._limit
            return
        if "taken" in reply:
            worker.taken = True
            worker.busy = reply["busy"]
            worker.deadline = time.monotonic() + self._verifier.timeout
            return
        unit = worker.units.popleft()
        seconds = reply["seconds"] / len(unit.candidates)
        unit.verdicts = [
            self._verdict(candidate, given, seconds)
            for candidate, given in zip(unit.candidates, reply["verdicts"], strict=True)
        ]
        if reply["ends"]:  # the row used the worker up: the others are none of its business
            self._waiting.extendleft(reversed(worker.units))
            self._drop(worker)
            return
        worker.forget_log()
        worker.busy = reply["busy"]
        worker.deadline = time.monotonic() + self._verifier.timeout

    def _verdict(self, candidate: Candidate, given: dict[str, Any], seconds: float) -> Verdict:
        """Return a verdict as its worker wrote it down."""
        if self._blames_answers and "exhausted" in given:
            why = _WHY[given["exhausted"]].format(memory=self._verifier.memory)
            return self._spent(candidate, why, seconds)
        spans = given.get("spans") or {}
        return Verdict(
            Outcome(given["outcome"]),
            given["parts"],
            given["extracted"],
            given["detail"],
            {name: [(s, e, v) for s, e, v in found] for name, found in spans.items()},
            given.get("share"),
            seconds,
            given.get("tokens"),
        )

    def _spent(self, candidate: Candidate, why: str, seconds: float) -> Verdict:
        """Return the verdict on an answer that takes more than there is."""
        found = self._verifier.exhausted(candidate, why)
        return replace(found, seconds=seconds, exhausted=True)

    @property
    def _blames_answers(self) -> bool:
        """Return whether an answer that takes too much is wrong; of a group it may be any."""
        return self._verifier.answer_can_exhaust and self._verifier.unit == "row"

    def _expire(self, worker: Worker) -> None:
        """Kill a worker whose clock ran out."""
        if not worker.ready:
            said = worker.said()
            self._drop(worker)
            raise VerifierError(f"a verifier worker did not start in {START_LIMIT:g} s: {said}")
        unit, limit = worker.units.popleft(), self._verifier.timeout
        computed = worker.computed()
        said = f"no verdict after {limit:g} s"
        # One that waited, or was kept waiting by a busy machine, is not the answer's doing.
        blamed = self._blames_answers and (computed is None or computed >= _AT_WORK * limit)
        if not blamed and computed is not None and computed < _AT_WORK * limit:
            said += f", of which it worked {max(0.0, computed):.2g} s"
        seconds = limit / len(unit.candidates)
        why = f"cannot be judged in {limit:g} s (verifier.timeout)"
        unit.verdicts = [
            self._spent(candidate, why, seconds)
            if blamed
            else Verdict(Outcome.TIMED_OUT, {}, detail=said, seconds=seconds)
            for candidate in unit.candidates
        ]
        self._lost += limit / self._limit  # the other workers go on meanwhile
        self._waiting.extendleft(reversed(worker.units))
        self._drop(worker)

    def _give_up(self) -> None:
        """Leave what waits without a verdict once rows out of time have held up a step enough."""
        most = self._verifier.batch_timeout
        if self._lost < most or not self._waiting:
            return
        detail = (
            f"not judged: answers before it that ran out of time have delayed the step by {most:g}"
            " s (verifier.batch_timeout)"
        )
        lost = Verdict(Outcome.TIMED_OUT, {}, detail=detail, seconds=0.0)
        for unit in self._waiting:
            unit.verdicts = [lost] * len(unit.candidates)
        self._waiting.clear()

    def _bury(self, worker: Worker) -> None:
        """Settle the row a worker died of, and let another worker judge the rest."""
        detail = f"the worker {ending(worker.process.wait())}"
        said = worker.said()
        if not worker.ready:
            self._drop(worker)
            raise VerifierError(f"a verifier worker did not start: {detail}. {said}")
        if worker.units:
            if worker.taken:
                verdict = Verdict(Outcome.CRASHED, {}, detail=f"{detail}. {said}".strip()[:500])
                unit = worker.units.popleft()
                unit.verdicts = [verdict] * len(unit.candidates)
            self._waiting.extendleft(reversed(worker.units))
        self._drop(worker)

    def _drop(self, worker: Worker) -> None:
        worker.end()
        self._workers.remove(worker)
