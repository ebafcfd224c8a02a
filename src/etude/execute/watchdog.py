"""Ends a process in which nothing moves any more, and writes down where every thread stood."""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from etude.errors import HUNG_EXIT, EtudeError
from etude.execute import atomic

#: A file system may be what hangs: so long is waited for the report to be written.
REPORT_SECONDS = 30.0

_signs = 0


def progress() -> None:
    """Note that this process moves: a step, a batch or a piece of a checkpoint is done."""
    global _signs
    _signs += 1


class Watchdog:
    """Watches over a block; when nothing moved for ``minutes`` in it, the process ends.

    All stacks go to ``log`` (each rank has its own: ``log``, ``log.rank1``), ``failed`` gets what
    ``about`` returns with a cause and the kind ``Hung``, and the exit code is ``HUNG_EXIT``.
    ``check`` is called before ``failed`` is written; when it raises, that is left out. A thread
    does it and no signal, since a process that waits in native code runs no handler; only code that
    never lets go of the interpreter is out of reach. Time in which the process was stopped does not
    count. With ``minutes`` None or 0 nothing is watched.
    """

    def __init__(
        self,
        minutes: float | None,
        log: Path,
        *,
        failed: Path | None = None,
        about: Callable[[], Mapping[str, Any]] = dict,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.seconds = 60 * (minutes or 0.0)
        self.log = log
        self.failed = failed
        self.about = about
        self.check = check
        self._ended = threading.Event()

    def __enter__(self) -> Watchdog:
        progress()
        if self.seconds:
            threading.Thread(target=self._watch, name="etude-watchdog", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._ended.set()

    @property
    def cause(self) -> str:
        """What a person is told of a process that hung."""
        return (
            "no step finished, and nothing was sampled or saved, for "
            f"{self.seconds / 60:g} minutes (execution.hang_minutes); the stacks of all threads "
            f"are in {self.log}"
        )

    def _watch(self) -> None:
        tick = min(5.0, self.seconds / 10)
        seen, silent, looked = _signs, 0.0, time.monotonic()
        while not self._ended.wait(tick):
            # A process that was stopped for a while (suspended by a person or the cluster) did not
            # hang: of a long gap only what two looks would take counts.
            now = time.monotonic()
            silent += min(now - looked, 2 * tick)
            looked = now
            if seen != _signs:
                seen, silent = _signs, 0.0
            elif silent >= self.seconds:
                self._end()

    def _end(self) -> None:
        report = threading.Thread(target=self._report, name="etude-report", daemon=True)
        report.start()
        report.join(REPORT_SECONDS)
        os._exit(HUNG_EXIT)

    def _report(self) -> None:
        # Straight to the descriptor: a thread that hangs may hold the lock of sys.stderr.
        os.write(2, f"{self.cause}\n".encode())
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(descriptor, f"{now} ERROR etude.watchdog: {self.cause}\n".encode())
            faulthandler.dump_traceback(descriptor, all_threads=True)
        finally:
            os.close(descriptor)
        if self.failed is None:
            return
        try:
            self.check()
        except EtudeError:
            return
        about = {
            **self.about(),
            "error": self.cause,
            "kind": "Hung",
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "traceback": f"the stacks of all threads are in {self.log}",
        }
        atomic.write_json(self.failed, about)
