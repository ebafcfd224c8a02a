"""A program in its sandbox, from the side of whoever judges: written to, read from, timed, ended.

The clock, the limits of what is read and every comparison are here, where the program cannot reach.
"""

from __future__ import annotations

import json
import marshal
import os
import selectors
import socket
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from etude.errors import VerifierError
from etude.verifier.sandbox.interpreter import Interpreter
from etude.verifier.sandbox.job import DESCRIPTORS, Job
from etude.verifier.sandbox.limits import Limits

#: Seconds within which a killed program has to be gone; only a kernel that hangs takes longer.
_GONE = 20.0

_PACKAGE = "etude.verifier.sandbox"
_START = f"import sys; sys.path.insert(0, sys.argv[2]); from {_PACKAGE}.launcher import main; "
_START += "main(int(sys.argv[1]))"

#: The modules of each harness, those that others import first.
_HARNESSES = {
    "printing": ("hindering", "printing"),
    "calling": ("data", "frames", "hindering", "calling"),
    "asserting": ("data", "frames", "asserting"),
}

#: Reads modules and a job from descriptor 3, makes the modules, and has the last do the job.
_BOOTSTRAP = """
import marshal, os, sys
def start():
    size, read = int(os.read(3, 12)), b""
    while len(read) < size:
        read += os.read(3, size - len(read))
    code, job = marshal.loads(read)
    made = {}
    for name, each in code:
        made[name] = sys.modules[name] = type(sys)(name)
        exec(each, made[name].__dict__)
    for name in made:
        del sys.modules[name]
    made[name].main(job)
start()
"""


@dataclass(frozen=True)
class Ending:
    """How a program ended: ``kind`` is exited, time_limit or output_limit."""

    kind: str
    code: int | None = None
    signal: int | None = None
    cpu: float = 0.0
    memory: int = 0
    """KiB that it held at most."""
    errors: bytes = b""
    """The end of what it wrote to its standard error."""


class Ended(Exception):
    """The program ended before it answered."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.kind)
        self.ending = ending


@cache
def _code(harness: str) -> list[tuple[str, Any]]:
    """Return the compiled modules of a harness."""
    folder = Path(__file__).parent
    texts = [(name, (folder / f"{name}.py").read_text()) for name in _HARNESSES[harness]]
    return [
        (f"{_PACKAGE}.{name}", compile(text, name, "exec", dont_inherit=True))
        for name, text in texts
    ]


class Launcher:
    """Starts programs at one level, under one set of limits."""

    def __init__(self, level: str, limits: Limits, python: Interpreter) -> None:
        self.level = level
        self.limits = limits
        self._job = Job(level, limits, python, _BOOTSTRAP).encoded()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source = str(Path(__file__).parents[3])
        with theirs:
            self._process = subprocess.Popen(
                [python.path, "-I", "-S", "-c", _START, str(theirs.fileno()), source],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # it ends by its socket, after it has cleared up
            )

    def start(self, harness: str, job: dict[str, Any]) -> Process:
        """Start a harness (printing, calling, asserting); raises VerifierError when none can."""
        pipes = [os.pipe() for _ in DESCRIPTORS]
        # The program reads its input, its jobs and (its guardian) the leash; the rest it writes.
        theirs = [
            pipe[0] if name in ("stdin", "jobs", "leash") else pipe[1]
            for name, pipe in zip(DESCRIPTORS, pipes, strict=True)
        ]
        ours = {
            name: pipe[1] if name in ("stdin", "jobs", "leash") else pipe[0]
            for name, pipe in zip(DESCRIPTORS, pipes, strict=True)
        }
        process = Process(ours, self.limits)
        try:
            socket.send_fds(self._socket, [self._job], theirs)
        except OSError as error:
            process.close()
            raise VerifierError(
                f"the process that starts programs has ended ({self._process.poll()})"
            ) from error
        finally:
            for each in theirs:
                os.close(each)
        packed = marshal.dumps((_code(harness), job))
        process.write("jobs", b"%012d" % len(packed) + packed)
        return process

    def close(self) -> None:
        """End the launcher; programs that still run end by their leashes."""
        self._socket.close()
        try:
            self._process.wait(_GONE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Process:
    """One running harness."""

    def __init__(self, ends: dict[str, int], limits: Limits) -> None:
        self._ends = ends
        self._limits = limits
        self._waiting = {"stdin": b"", "jobs": b""}
        self._closing: set[str] = set()
        self._read = {name: bytearray() for name in ("stdout", "stderr", "results", "report")}
        self._written = {"stdout": 0, "stderr": 0}
        self._ending: Ending | None = None
        self._selector = selectors.DefaultSelector()
        for name, descriptor in ends.items():
            os.set_blocking(descriptor, False)
            if name in self._read:
                self._selector.register(descriptor, selectors.EVENT_READ, name)

    def write(self, name: str, data: bytes) -> None:
        """Have data written to ``stdin`` or ``jobs`` while it is waited for something."""
        if name in self._ends:
            self._waiting[name] += data
            self._watch_writing(name)

    def finish(self, name: str) -> None:
        """Close ``stdin`` or ``jobs`` once all is written."""
        self._closing.add(name)
        if name in self._ends and not self._waiting[name]:
            self._close_end(name)

    def send(self, message: Any) -> None:
        """Have a message written to the harness."""
        self.write("jobs", json.dumps(message).encode() + b"\n")

    def receive(self, deadline: float) -> Any:
        """Return the next message of the harness.

        Raises Ended when the program ends first, or is ended at the deadline or by its output; and
        ValueError when it wrote what is no message.
        """
        while b"\n" not in self._read["results"]:
            if len(self._read["results"]) > 4 * self._limits.output + 4096:
                raise Ended(self.end("output_limit"))
            if self._ending is not None:
                raise Ended(self._ending)
            self._pump(deadline)
        line, _, rest = bytes(self._read["results"]).partition(b"\n")
        self._read["results"][:] = rest
        return json.loads(line)

    def wait(self, deadline: float) -> Ending:
        """Wait until the program ends, or end it at the deadline or for its output."""
        while self._ending is None:
            self._pump(deadline)
        return self._ending

    @property
    def output(self) -> bytes:
        """Return what the program wrote to its standard output."""
        return bytes(self._read["stdout"])

    def end(self, kind: str = "exited") -> Ending:
        """End the program with all that it started, and return how it ended."""
        if self._ending is None:
            self._close_end("leash")
            self._drain(kind)
        assert self._ending is not None
        self.close()
        return self._ending

    def close(self) -> None:
        """Let go of every end; the guardian then ends what still runs."""
        for name in list(self._ends):
            self._close_end(name)
        self._selector.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ending is None and kind is None:
            self.end()
        self.close()

    def _pump(self, deadline: float) -> None:
        """Write and read what there is; settle the ending where the program is over or too much."""
        left = deadline - time.monotonic()
        events = self._selector.select(max(0.0, left)) if left > 0 else []
        for key, _ in events:
            self._move(key.data)
        if self._ending is None and any(
            count > self._limits.output for count in self._written.values()
        ):
            self.end("output_limit")
        elif self._ending is None and not events and time.monotonic() >= deadline:
            self.end("time_limit")

    def _move(self, name: str) -> None:
        if name in self._waiting:
            self._write_some(name)
            return
        try:
            part = os.read(self._ends[name], 65536)
        except BlockingIOError:
            return
        if part:
            self._keep(name, part)
            return
        self._close_end(name)
        if name == "report":
            self._drain("exited")

    def _keep(self, name: str, part: bytes) -> None:
        held = self._read[name]
        if name in self._written:
            self._written[name] += len(part)
        held += part
        if name == "stderr":
            del held[:-2000]
        elif name == "stdout":
            del held[self._limits.output + 1 :]

    def _write_some(self, name: str) -> None:
        waiting = self._waiting[name]
        try:
            self._waiting[name] = waiting[os.write(self._ends[name], waiting[:65536]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the program reads no more
            self._waiting[name] = b""
            self._close_end(name)
            return
        if not self._waiting[name]:
            self._selector.unregister(self._ends[name])
            if name in self._closing:
                self._close_end(name)

    def _watch_writing(self, name: str) -> None:
        descriptor = self._ends[name]
        if descriptor not in self._selector.get_map():
            self._selector.register(descriptor, selectors.EVENT_WRITE, name)

    def _close_end(self, name: str) -> None:
        descriptor = self._ends.pop(name, None)
        if descriptor is None:
            return
        if descriptor in (self._selector.get_map() or {}):
            self._selector.unregister(descriptor)
        os.close(descriptor)

    def _drain(self, kind: str) -> None:
        """Read what is left when nothing of the program runs any more, and settle its ending."""
        deadline = time.monotonic() + _GONE
        while "report" in self._ends and time.monotonic() < deadline:
            for key, _ in self._selector.select(0.1):
                if key.data == "report":
                    part = os.read(self._ends["report"], 65536)
                    if part:
                        self._keep("report", part)
                    else:
                        self._close_end("report")
                elif key.data not in self._waiting:
                    self._move_quietly(key.data)
        for name in ("stdout", "stderr", "results"):
            while name in self._ends and self._move_quietly(name):
                pass
        said = json.loads(self._read["report"] or b"{}")
        if "fault" in said or not said:
            self.close()
            raise VerifierError(f"no program can be run: {said.get('fault', 'no report of it')}")
        self._ending = Ending(
            kind,
            said.get("code"),
            said.get("signal"),
            said.get("cpu", 0.0),
            said.get("memory", 0),
            bytes(self._read["stderr"]),
        )

    def _move_quietly(self, name: str) -> bool:
        try:
            part = os.read(self._ends[name], 65536)
        except BlockingIOError:
            return False
        if not part:
            self._close_end(name)
            return False
        self._keep(name, part)
        if name == "results":  # an answer of a program that is over is of no use
            del self._read["results"][8 * self._limits.output + 8192 :]
        return True
