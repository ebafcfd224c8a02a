"""A worker process from the side of whoever keeps it: started, given units, measured, killed."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from etude.rows import Candidate, Verdict

#: Seconds a worker may take to start; far more than any machine needs, so that it is never a race.
START_LIMIT = 180.0

_PROGRAM = "import sys; from {module} import main; main(*map(int, sys.argv[1:]))"

#: The module whose ``main`` a worker runs where nobody says otherwise: it judges.
_JUDGES = "etude.verifier.worker"

#: Libraries of a verifier gain nothing from threads here, and each thread reserves address space.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(eq=False)
class Unit:
    """What is judged in one go, an answer or a whole group, and its verdicts once there are."""

    candidates: list[Candidate]
    verdicts: list[Verdict] | None = None


@dataclass(eq=False)
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
    deadline: float = field(default_factory=lambda: time.monotonic() + START_LIMIT)
    started: float = field(default_factory=time.monotonic)
    units: deque[Any] = field(default_factory=deque)

    @classmethod
    def start(cls, verifier: Any, module: str = _JUDGES) -> Worker:
        """Start a process and send it the verifier; its replies are waited for later.

        Another ``module`` is another kind of worker, which is sent something else with a limit of
        ``memory``.
        """
        job_read, job_write = os.pipe()
        reply_read, reply_write = os.pipe()
        log = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 (closed with the worker)
        try:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    _PROGRAM.format(module=module),
                    str(job_read),
                    str(reply_write),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(job_read, reply_write),
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(search_path())},
                process_group=0,  # a Ctrl-C in the terminal is the parent's affair
            )
        finally:
            os.close(job_read)
            os.close(reply_write)
        worker = cls(
            process,
            Connection(job_write, readable=False),
            Connection(reply_read, writable=False),
            log,
        )
        start = {
            "path": search_path(),
            "memory": verifier.memory,
            "verifier": pickle.dumps(verifier),
        }
        worker.send(start)
        return worker

    def give(self, units: list[Unit], seconds: float) -> None:
        """Hand over units, the first of which has so many seconds from now on."""
        self.units = deque(units)
        self.taken = False
        self.deadline = time.monotonic() + seconds
        self.send([unit.candidates for unit in units])

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

    def send(self, message: Any) -> None:
        """Send a message; a process that died is told by its exit code when it is heard."""
        with contextlib.suppress(BrokenPipeError):
            self.jobs.send_bytes(pickle.dumps(message))


def search_path() -> list[str]:
    """Return where this process finds modules, so that a worker finds the same ones."""
    return [str(Path(entry or ".").resolve()) for entry in sys.path]


def ending(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
