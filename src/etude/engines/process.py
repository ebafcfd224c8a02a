"""An engine in a process of its own, from the side of whoever keeps it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from etude.engines.asked import About, Ask, Ended, EngineLost, Held, How
from etude.engines.child import Opening
from etude.execute.watchdog import progress
from etude.verifier.worker_process import ending, search_path

_PROGRAM = "import sys; from etude.engines.child import main; main(*map(int, sys.argv[1:]))"

#: Seconds between two looks at a process that says nothing.
_LOOK = 0.2

#: Bytes of its last words that are shown, and kept.
_SHOWN, _KEPT = 1500, 2**22


@dataclass(frozen=True)
class Program:
    """What runs in the process: a backend (``module:class``), its options and its environment.

    ``start_limit`` is how many seconds it may take to start, ``patience`` how many it may say
    nothing.
    """

    backend: str
    options: Mapping[str, Any]
    tokenizer: bytes
    environment: Mapping[str, str]
    start_limit: float
    patience: float


class ProcessLink:
    """Keeps one process with an engine (:class:`~etude.engines.asked.Link`)."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._log: Any = None
        self._asks: Connection | None = None
        self._replies: Connection | None = None
        self._kills = 0

    @property
    def pid(self) -> int | None:
        """Return the number of the process, None where there is none."""
        return None if self._process is None else self._process.pid

    def start(self, folder: str) -> About:
        """See :class:`~etude.engines.asked.Link`."""
        self.end()
        ask_read, ask_write = os.pipe()
        reply_read, reply_write = os.pipe()
        self._log = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 (closed with the process)
        self._kills = _killed_for_memory()
        path = search_path()
        environment = {**os.environ, **self._program.environment}
        for name in _OF_A_WORLD:  # the engine is no rank of the trainer's
            environment.pop(name, None)
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-c",
                    _PROGRAM,
                    str(ask_read),
                    str(reply_write),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(ask_read, reply_write),
                env={**environment, "PYTHONPATH": os.pathsep.join(path)},
                process_group=0,  # a Ctrl-C in the terminal is the trainer's affair
            )
        finally:
            os.close(ask_read)
            os.close(reply_write)
        self._asks = Connection(ask_write, readable=False)
        self._replies = Connection(reply_read, writable=False)
        program = self._program
        self._send(Opening(path, program.backend, folder, program.options, program.tokenizer))
        about: About = self._wait(program.start_limit, "start")
        return about

    def sample(self, asks: Sequence[Ask], how: How, ended: Ended, idle: Callable[[], None]) -> None:
        """See :class:`~etude.engines.asked.Link`."""
        self._send(("sample", list(asks), how))
        self._wait(self._program.patience, "sample", ended, idle)

    def score(self, texts: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """See :class:`~etude.engines.asked.Link`."""
        self._send(("score", list(texts)))
        found: list[list[float]] = self._wait(self._program.patience, "score")
        return found

    def load(self, folder: str) -> Held:
        """See :class:`~etude.engines.asked.Link`."""
        self._send(("load", folder))
        held: Held = self._wait(self._program.start_limit, "load")
        return held

    def forget(self) -> None:
        """See :class:`~etude.engines.asked.Link`."""
        self._send(("forget",))
        self._wait(self._program.patience, "forget")

    def end(self) -> None:
        """Kill the process with whatever it started, and close everything."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        for each in (self._asks, self._replies, self._log):
            if each is not None:
                each.close()
        self._process = self._asks = self._replies = self._log = None

    def _send(self, message: Any) -> None:
        if self._asks is None:
            raise EngineLost("died", "the engine is not running")
        with suppress(BrokenPipeError):  # it died: told by its exit code when waiting
            self._asks.send_bytes(pickle.dumps(message))

    def _wait(
        self,
        seconds: float,
        doing: str,
        ended: Ended | None = None,
        idle: Callable[[], None] | None = None,
    ) -> Any:
        """Return what the process answers in the end; it may be silent for so many seconds."""
        assert self._process is not None and self._replies is not None  # sent to it before
        deadline = time.monotonic() + seconds
        while True:
            progress()
            if idle is not None:
                idle()
            try:
                if not self._replies.poll(_LOOK):
                    if time.monotonic() > deadline:
                        raise EngineLost(
                            "hung", self._told(f"said nothing for {seconds:g} s", doing)
                        )
                    continue
                what, *rest = self._replies.recv()
            except (EOFError, ConnectionResetError, OSError) as error:
                raise EngineLost(*self._death(doing)) from error
            deadline = time.monotonic() + seconds
            if what == "ended":
                assert ended is not None  # only sampling gives some
                ended(rest[0])
            elif what == "failed":
                raise EngineLost(rest[0], self._told(rest[1], doing, log=False))
            elif what in ("done", "ready"):
                self._forget_log()
                return rest[0]

    def _death(self, doing: str) -> tuple[str, str]:
        assert self._process is not None
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "died", self._told("closed its pipe", doing)
        # The kernel's way of saying that memory is out; nobody else here kills with it.
        how = "memory" if code == -signal.SIGKILL and _killed_for_memory() > self._kills else "died"
        return how, self._told(ending(code), doing)

    def _told(self, what: str, doing: str, *, log: bool = True) -> str:
        words = self._last_words() if log else ""
        number = "" if self._process is None else f" (process {self._process.pid})"
        return f"the engine{number} {what} when asked to {doing}" + (f"\n{words}" if words else "")

    def _last_words(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _SHOWN))
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return "\n".join(f"  | {line}" for line in lines[-6:])

    def _forget_log(self) -> None:
        if os.fstat(self._log.fileno()).st_size > _KEPT:
            os.ftruncate(self._log.fileno(), 0)


#: By which torch.distributed finds the ranks of the trainer.
_OF_A_WORLD = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RUN_ID",
)


def _killed_for_memory() -> int:
    """Return how many processes here the kernel has ended because memory was out."""
    try:
        lines = Path("/sys/fs/cgroup/memory.events").read_text(encoding="utf-8").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, ValueError):
        return 0
