"""Worker processes that can be killed: every row gets a verdict, whatever it does to its worker.

The parent keeps the clock. A row that exceeds it has its worker killed and is *timed out*; a row
whose worker dies is *crashed*, with the reason; in both cases the rest of the worker's rows are
judged by a fresh one. Where time, memory and nesting are the answer's to spend, one that takes too
much is wrong instead (``answer_can_exhaust``). Once rows that ran out of time have taken what they
may of a step together, the rows behind them are left without a verdict, so a step waits no longer
than that. A worker that cannot start at all is an error, never a verdict.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from etude.errors import VerifierError
from etude.rows import Candidate, Outcome, Verdict

#: Seconds a worker may take to start; far more than any machine needs, so that it is never a race.
START_LIMIT = 180.0

#: The least share of its time that a row has to be at work for running out of it to be the
#: answer's doing.
_AT_WORK = 0.1

#: What an answer does whose judging ends in an error of these kinds.
_WHY = {
    "MemoryError": "cannot be judged in {memory} MiB of memory (verifier.memory)",
    "RecursionError": "is nested too deeply to be read",
}

_PROGRAM = "import sys; from etude.verifier.worker import main; main(*map(int, sys.argv[1:]))"

#: Libraries of a verifier gain nothing from threads here, and each thread reserves address space.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass
class Unit:
    """What is judged in one go: positions in the batch (one, or a whole group)."""

    positions: list[int]


@dataclass
class Worker:
    """One process, the units it was given and not yet answered, and when its clock runs out.

    ``taken``: the process has picked its units up; until then its death is not their doing.
    ``busy``: its seconds of processor time when it began with the present unit.
    """

    process: subprocess.Popen[bytes]
    jobs: Connection
    replies: Connection
    log: Any
    ready: bool = False
    taken: bool = False
    busy: float = 0.0
    deadline: float = 0.0
    started: float = field(default_factory=time.monotonic)
    units: deque[Unit] = field(default_factory=deque)

    def end(self) -> None:
        """Kill the process, if it still lives, and close everything."""
        self.process.kill()
        self.process.wait()
        self.jobs.close()
        self.replies.close()
        self.log.close()

    def forget_log(self) -> None:
        """Empty what the process printed when it has become long: only its last words matter."""
        if os.fstat(self.log.fileno()).st_size > 2**20:
            os.ftruncate(self.log.fileno(), 0)

    def computed(self) -> float | None:
        """Return the processor time of the present unit, None where the system does not say."""
        try:
            text = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return None
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") - self.busy

    def said(self) -> str:
        """Return the last line the process wrote to its standard error."""
        size = self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, size - 2000))
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


@dataclass
class Batch:
    """Answers that are judged together, and how far that has come.

    ``lost`` are the seconds by which units that ran out of time have delayed the others.
    """

    candidates: Sequence[Candidate]
    verdicts: list[Verdict | None]
    waiting: deque[Unit]
    lost: float = 0.0

    @property
    def measures(self) -> bool:
        """Return whether the answers measure a model: then no step waits for them."""
        return all(candidate.evaluation for candidate in self.candidates)


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
        self.counts: dict[Outcome, int] = dict.fromkeys(Outcome, 0)

    def verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict a candidate, in order; raises VerifierError when none can start."""
        batch = Batch(candidates, [None] * len(candidates), deque(self._units(candidates)))
        try:
            while batch.waiting or any(worker.units for worker in self._workers):
                self._hand_out(batch)
                self._collect(batch)
                self._give_up(batch)
        except BaseException:
            self.close()
            raise
        settled = [verdict for verdict in batch.verdicts if verdict is not None]
        for outcome, count in Counter(verdict.outcome for verdict in settled).items():
            self.counts[outcome] += count
        return settled

    def close(self) -> None:
        """Kill every worker."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _units(self, candidates: Sequence[Candidate]) -> list[Unit]:
        if self._verifier.unit == "row":
            return [Unit([position]) for position in range(len(candidates))]
        groups: dict[str, list[int]] = {}
        for position, candidate in enumerate(candidates):
            groups.setdefault(candidate.id, []).append(position)
        return [Unit(positions) for positions in groups.values()]

    def _hand_out(self, batch: Batch) -> None:
        """Give idle workers a share of what waits, starting workers while there is need."""
        for worker in [each for each in self._workers if not each.units]:
            if worker.ready and worker.process.poll() is not None:  # died idle: no row's doing
                self._drop(worker)
        waiting = batch.waiting
        while len(self._workers) < min(self._limit, len(waiting) + len(self._busy())):
            self._workers.append(self._start())
        for worker in self._workers:
            if not waiting or worker.units or not worker.ready:
                continue
            share = max(1, min(32, len(waiting) // (2 * self._limit)))
            units = [waiting.popleft() for _ in range(share)]
            worker.units = deque(units)
            worker.taken = False
            worker.deadline = time.monotonic() + self._verifier.timeout
            job = [[batch.candidates[position] for position in unit.positions] for unit in units]
            with contextlib.suppress(BrokenPipeError):  # it just died: found when collecting
                worker.jobs.send_bytes(pickle.dumps(job))

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.units]

    def _collect(self, batch: Batch) -> None:
        """Wait for the next reply, death or deadline, and settle what it decides."""
        active = [worker for worker in self._workers if worker.units or not worker.ready]
        if not active:
            return
        nearest = min(worker.deadline for worker in active)
        heard = wait([worker.replies for worker in active], max(0.0, nearest - time.monotonic()))
        for worker in active:
            if worker.replies in heard:
                self._hear(worker, batch)
            elif time.monotonic() >= worker.deadline:
                self._expire(worker, batch)

    def _hear(self, worker: Worker, batch: Batch) -> None:
        try:
            reply = json.loads(worker.replies.recv_bytes())
        except (EOFError, OSError, ValueError):
            self._bury(worker, batch)
            return
        if "failed" in reply:
            self._drop(worker)
            raise VerifierError(
                f"{self._verifier.title} cannot start in a worker process:"
                f" {reply['failed'].strip()}"
            )
        if "ready" in reply:
            worker.ready = True
            if batch.lost:  # it takes the place of one that was killed
                batch.lost += (time.monotonic() - worker.started) / self._limit
            return
        if "taken" in reply:
            worker.taken = True
            worker.busy = reply["busy"]
            worker.deadline = time.monotonic() + self._verifier.timeout
            return
        unit = worker.units.popleft()
        seconds = reply["seconds"] / len(unit.positions)
        for position, given in zip(unit.positions, reply["verdicts"], strict=True):
            batch.verdicts[position] = self._verdict(batch.candidates[position], given, seconds)
        if reply["ends"]:  # the row used the worker up: the others are none of its business
            batch.waiting.extendleft(reversed(worker.units))
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

    def _expire(self, worker: Worker, batch: Batch) -> None:
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
        for position in unit.positions:
            verdict = Verdict(Outcome.TIMED_OUT, {}, detail=said)
            if blamed:
                why = f"cannot be judged in {limit:g} s (verifier.timeout)"
                verdict = self._spent(batch.candidates[position], why, limit)
            batch.verdicts[position] = replace(verdict, seconds=limit / len(unit.positions))
        batch.lost += limit / self._limit  # the other workers go on meanwhile
        batch.waiting.extendleft(reversed(worker.units))
        self._drop(worker)

    def _give_up(self, batch: Batch) -> None:
        """Leave what waits without a verdict once rows out of time have held up a step enough."""
        most = self._verifier.batch_timeout
        if batch.lost < most or not batch.waiting or batch.measures:
            return
        detail = (
            f"not judged: answers before it that ran out of time have delayed the step by {most:g}"
            " s (verifier.batch_timeout)"
        )
        for unit in batch.waiting:
            for position in unit.positions:
                batch.verdicts[position] = Verdict(
                    Outcome.TIMED_OUT, {}, detail=detail, seconds=0.0
                )
        batch.waiting.clear()

    def _bury(self, worker: Worker, batch: Batch) -> None:
        """Settle the row a worker died of, and let another worker judge the rest."""
        code = worker.process.wait()
        detail = f"the worker {_ending(code)}"
        said = worker.said()
        if not worker.ready:
            self._drop(worker)
            raise VerifierError(f"a verifier worker did not start: {detail}. {said}")
        if worker.units:
            if worker.taken:
                verdict = Verdict(Outcome.CRASHED, {}, detail=f"{detail}. {said}".strip()[:500])
                for position in worker.units.popleft().positions:
                    batch.verdicts[position] = verdict
            batch.waiting.extendleft(reversed(worker.units))
        self._drop(worker)

    def _drop(self, worker: Worker) -> None:
        worker.end()
        self._workers.remove(worker)

    def _start(self) -> Worker:
        """Start a process and send it the verifier; its replies are waited for later."""
        job_read, job_write = os.pipe()
        reply_read, reply_write = os.pipe()
        log = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 (closed with the worker)
        try:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    _PROGRAM,
                    str(job_read),
                    str(reply_write),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(job_read, reply_write),
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(_search_path())},
                process_group=0,  # a Ctrl-C in the terminal is the parent's affair
            )
        finally:
            os.close(job_read)
            os.close(reply_write)
        worker = Worker(
            process,
            Connection(job_write, readable=False),
            Connection(reply_read, writable=False),
            log,
            deadline=time.monotonic() + START_LIMIT,
        )
        start = {
            "path": _search_path(),
            "memory": self._verifier.memory,
            "verifier": pickle.dumps(self._verifier),
        }
        with contextlib.suppress(BrokenPipeError):  # told with its exit code when collecting
            worker.jobs.send_bytes(pickle.dumps(start))
        return worker


def _search_path() -> list[str]:
    """Return where this process finds modules, so that a worker finds the same ones."""
    return [str(Path(entry or ".").resolve()) for entry in sys.path]


def _ending(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
