"""Worker processes that can be killed: every row gets a verdict, whatever it does to its worker.

The parent keeps the clock. A row that exceeds it has its worker killed and is *timed out*; a row
whose worker dies is *crashed*, with the reason; in both cases the rest of the worker's rows are
judged by a fresh one. A worker that cannot start at all is an error, never a verdict.
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
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from etude.errors import VerifierError
from etude.rows import Candidate, Outcome, Verdict

#: Seconds a worker may take to start; far more than any machine needs, so that it is never a race.
START_LIMIT = 180.0

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
    """

    process: subprocess.Popen[bytes]
    jobs: Connection
    replies: Connection
    log: Any
    ready: bool = False
    taken: bool = False
    deadline: float = 0.0
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

    def said(self) -> str:
        """Return the last line the process wrote to its standard error."""
        size = self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, size - 2000))
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


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
    def memory(self) -> int | None:
        """Return the most memory of a worker."""


class Pool:
    """A judge with worker processes, started when they are needed and killed when they hang."""

    def __init__(self, verifier: Sent, workers: int) -> None:
        if workers < 1:
            raise VerifierError(f"a verifier needs at least one worker, not {workers}")
        self._verifier = verifier
        self._limit = workers
        self._workers: list[Worker] = []
        self.counts: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        self.seconds: list[float] = []

    def verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict a candidate, in order; raises VerifierError when none can start."""
        verdicts: list[Verdict | None] = [None] * len(candidates)
        self.seconds = [0.0] * len(candidates)
        waiting = deque(self._units(candidates))
        try:
            while waiting or any(worker.units for worker in self._workers):
                self._hand_out(waiting, candidates)
                self._collect(waiting, verdicts)
        except BaseException:
            self.close()
            raise
        settled = [verdict for verdict in verdicts if verdict is not None]
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

    def _hand_out(self, waiting: deque[Unit], candidates: Sequence[Candidate]) -> None:
        """Give idle workers a share of what waits, starting workers while there is need."""
        for worker in [each for each in self._workers if not each.units]:
            if worker.ready and worker.process.poll() is not None:  # died idle: no row's doing
                self._drop(worker)
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
            job = [[candidates[position] for position in unit.positions] for unit in units]
            with contextlib.suppress(BrokenPipeError):  # it just died: found when collecting
                worker.jobs.send_bytes(pickle.dumps(job))

    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.units]

    def _collect(self, waiting: deque[Unit], verdicts: list[Verdict | None]) -> None:
        """Wait for the next reply, death or deadline, and settle what it decides."""
        active = [worker for worker in self._workers if worker.units or not worker.ready]
        if not active:
            return
        nearest = min(worker.deadline for worker in active)
        heard = wait([worker.replies for worker in active], max(0.0, nearest - time.monotonic()))
        for worker in active:
            if worker.replies in heard:
                self._hear(worker, waiting, verdicts)
            elif time.monotonic() >= worker.deadline:
                self._expire(worker, waiting, verdicts)

    def _hear(self, worker: Worker, waiting: deque[Unit], verdicts: list[Verdict | None]) -> None:
        try:
            reply = json.loads(worker.replies.recv_bytes())
        except (EOFError, OSError, ValueError):
            self._bury(worker, waiting, verdicts)
            return
        if "failed" in reply:
            self._drop(worker)
            raise VerifierError(
                f"{self._verifier.title} cannot start in a worker process:"
                f" {reply['failed'].strip()}"
            )
        if "ready" in reply:
            worker.ready = True
            return
        if "taken" in reply:
            worker.taken = True
            worker.deadline = time.monotonic() + self._verifier.timeout
            return
        unit = worker.units.popleft()
        for position, given in zip(unit.positions, reply["verdicts"], strict=True):
            spans = given.get("spans") or {}
            verdicts[position] = Verdict(
                Outcome(given["outcome"]),
                given["parts"],
                given["extracted"],
                given["detail"],
                {name: [(s, e, v) for s, e, v in found] for name, found in spans.items()},
            )
            self.seconds[position] = reply["seconds"] / len(unit.positions)
        if reply["ends"]:  # the row used the worker up: the others are none of its business
            waiting.extendleft(reversed(worker.units))
            self._drop(worker)
            return
        worker.forget_log()
        worker.deadline = time.monotonic() + self._verifier.timeout

    def _expire(self, worker: Worker, waiting: deque[Unit], verdicts: list[Verdict | None]) -> None:
        """Kill a worker whose clock ran out."""
        if not worker.ready:
            said = worker.said()
            self._drop(worker)
            raise VerifierError(f"a verifier worker did not start in {START_LIMIT:g} s: {said}")
        unit = worker.units.popleft()
        verdict = Verdict(
            Outcome.TIMED_OUT, {}, detail=f"no verdict after {self._verifier.timeout:g} s"
        )
        for position in unit.positions:
            verdicts[position] = verdict
            self.seconds[position] = self._verifier.timeout / len(unit.positions)
        waiting.extendleft(reversed(worker.units))
        self._drop(worker)

    def _bury(self, worker: Worker, waiting: deque[Unit], verdicts: list[Verdict | None]) -> None:
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
                    verdicts[position] = verdict
            waiting.extendleft(reversed(worker.units))
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
