"""Running a program against its tests: what happened in each, and how many it passed."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from etude.errors import VerifierError
from etude.verifier.sandbox.cases import Asserted, Printed, Returned, Suite
from etude.verifier.sandbox.compare import same_output, same_value
from etude.verifier.sandbox.data import encode
from etude.verifier.sandbox.process import Ended, Ending, Launcher, Process

ACCEPTED = "accepted"
#: What can go wrong with a program in a test.
KINDS = (
    "wrong_answer",
    "runtime_error",
    "compile_error",
    "time_limit",
    "memory_limit",
    "output_limit",
)


@dataclass(frozen=True)
class Result:
    """What happened in one test: ``accepted``, or what went wrong and a word about it."""

    kind: str
    why: str = ""

    @property
    def passed(self) -> bool:
        """Return whether the program passed the test."""
        return self.kind == ACCEPTED


_NO_TIME = Result("time_limit", "no time was left for this test")


class Runner:
    """Runs programs, each against its tests."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self.limits = launcher.limits
        self.hook = launcher.level == "limits"

    def results(self, source: str, suite: Suite, until: float) -> Iterator[Result]:
        """Yield the result of each test, in order; raises VerifierError where none can be run.

        A test that has not begun ``until`` that moment is not passed: there is no time for it.
        """
        if isinstance(suite.cases[0], Printed):
            yield from (self._printed(source, case, until) for case in suite.cases)  # type: ignore[arg-type]
            return
        at = 0
        session: _Session | None = None
        try:
            while at < len(suite.cases):
                if session is None and time.monotonic() >= until:
                    yield from [_NO_TIME] * (len(suite.cases) - at)
                    return
                if session is None:
                    session = _Session(self, source, suite, until)
                result = session.judge(at)
                if session.over:
                    session.close()
                    session = None
                yield result
                at += 1
        finally:
            if session is not None:
                session.close()

    def deadline(self, until: float) -> float:
        """Return when a test that begins now has to be over."""
        return min(time.monotonic() + self.limits.seconds, until)

    def _printed(self, source: str, case: Printed, until: float) -> Result:
        deadline = self.deadline(until)
        if deadline <= time.monotonic():
            return _NO_TIME
        with self.launcher.start("printing", {"hook": self.hook, "source": source}) as process:
            process.write("stdin", case.stdin.encode("utf-8", "replace"))
            process.finish("stdin")
            ending = process.wait(deadline)
            problem = failure(ending, self.limits.seconds, self.limits.memory)
            if problem is not None:
                return problem
            printed = process.output.decode("utf-8", "replace")
        if same_output(printed, case.stdout, case.tolerance):
            return Result(ACCEPTED)
        return Result("wrong_answer", f"it printed {_short(printed)}")


class _Session:
    """A program whose functions are called, and for assertions the process that judges them."""

    def __init__(self, runner: Runner, source: str, suite: Suite, until: float) -> None:
        self._runner = runner
        self._suite = suite
        self._until = until
        self._nonce = secrets.token_hex(16)
        self._asserts = isinstance(suite.cases[0], Asserted)
        self.over = False
        self._loaded = False
        self._tests: Process | None = None
        sources = [suite.prelude, source] if suite.prelude else [source]
        job = {"hook": runner.hook, "sources": sources, "nonce": self._nonce}
        self._program = runner.launcher.start("calling", job)
        if self._asserts:
            setup = [*suite.setup, suite.prelude] if suite.prelude else list(suite.setup)
            told = {"setup": setup, "entry": suite.entry}
            self._tests = runner.launcher.start("asserting", told)

    def close(self) -> None:
        """End both processes."""
        for process in (self._program, self._tests):
            if process is not None:
                process.end()

    def judge(self, at: int) -> Result:
        """Return the result of a test; afterwards the session may be over."""
        deadline = self._runner.deadline(self._until)
        if deadline <= time.monotonic():
            self.over = True
            return _NO_TIME
        try:
            if not self._loaded:
                self._hear(-1, deadline)
                self._loaded = True
            if self._asserts:
                return self._asserted(at, deadline)
            return self._returned(at, deadline)
        except Ended as ended:
            self.over = True
            limits = self._runner.limits
            problem = failure(ended.ending, limits.seconds, limits.memory)
            return problem or Result("runtime_error", "it ended before it answered")
        except (_Forged, RecursionError):  # no harness nests its answers that deep
            self.over = True
            return Result("runtime_error", "it wrote into the channel of its results")

    def _returned(self, at: int, deadline: float) -> Result:
        case = self._suite.cases[at]
        assert isinstance(case, Returned)
        answer = self._call(
            at, str(self._suite.entry), [encode(a) for a in case.args], {}, deadline
        )
        if "value" not in answer:
            return Result(answer["kind"], answer["why"])
        try:
            same = same_value(answer["value"], case.expected, case.tolerance)
        except (RecursionError, ValueError):
            same = False
        return Result(ACCEPTED) if same else Result("wrong_answer", f"it returned {_told(answer)}")

    def _asserted(self, at: int, deadline: float) -> Result:
        case = self._suite.cases[at]
        assert isinstance(case, Asserted)
        tests = self._tests
        assert tests is not None
        if at == 0 or not self._tests_loaded:
            self._from_tests(deadline)
            self._tests_loaded = True
        tests.send({"test": case.source})
        while True:
            said = self._from_tests(deadline)
            if "call" not in said:
                return Result(ACCEPTED) if said["passed"] else Result(said["kind"], said["why"])
            tests.send(self._call(at, said["call"], said["args"], said["named"], deadline))

    _tests_loaded = False

    def _from_tests(self, deadline: float) -> Any:
        assert self._tests is not None
        try:
            return self._tests.receive(deadline)
        except Ended as ended:
            if ended.ending.kind != "time_limit" and not self._tests_loaded:
                said = ended.ending.errors.decode("utf-8", "replace").strip().splitlines()
                raise VerifierError(f"the tests' own setup fails: {said[-1:]}") from ended
            raise

    def _call(
        self, at: int, name: str, args: list[Any], named: dict[str, Any], deadline: float
    ) -> dict[str, Any]:
        """Return the value of a call, or the kind and the reason of its failure."""
        self._program.send(
            {"index": at, "name": name, "args": args, "named": named, "handles": self._asserts}
        )
        answer = self._hear(at, deadline)
        if "value" in answer:
            return {"value": answer["value"]}
        if "no_data" in answer:
            return {"kind": "wrong_answer", "why": f"it returned {answer['no_data']}"[:300]}
        kind = "memory_limit" if answer.get("memory") else "runtime_error"
        return {"kind": kind, "why": str(answer.get("error", "it gave no value"))[:300]}

    def _hear(self, index: int, deadline: float) -> dict[str, Any]:
        try:
            answer = self._program.receive(deadline)
        except (ValueError, RecursionError) as error:
            raise _Forged from error
        if not isinstance(answer, dict):
            raise _Forged
        if answer.get("nonce") != self._nonce or answer.get("index") != index:
            raise _Forged
        return answer


class _Forged(Exception):
    """What came from the program is no answer of its harness."""


def failure(ending: Ending, seconds: float, memory: int) -> Result | None:
    """Return what went wrong with a program that ended; None where it exited with code 0."""
    said = ending.errors.decode("utf-8", "replace").strip().splitlines()
    last = said[-1][:200] if said else ""
    if ending.kind == "output_limit":
        return Result("output_limit", "it wrote more than verifier.output bytes")
    cpu = ending.signal == signal.SIGXCPU or (
        ending.signal == signal.SIGKILL and ending.cpu >= seconds
    )
    if ending.kind == "time_limit" or cpu:
        return Result("time_limit", f"it took longer than {seconds:g} s")
    if ending.code == 0:
        return None
    if last.startswith("MemoryError"):
        return Result("memory_limit", f"it needed more than {memory} MiB")
    if last.startswith(("SyntaxError", "IndentationError", "TabError")):
        return Result("compile_error", last)
    if ending.signal is not None:
        return Result("runtime_error", f"it was killed by signal {ending.signal}")
    return Result("runtime_error", last or f"it exited with code {ending.code}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "…")


def _told(answer: dict[str, Any]) -> str:
    return _short(str(answer["value"]))
