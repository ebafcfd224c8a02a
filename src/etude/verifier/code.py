"""Programs in answers, run against tests in a sandbox of the operating system."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from etude.component import Need, Rule, component, option
from etude.errors import VerifierError
from etude.notices import notice
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.host import Host, host_of
from etude.verifier.interface import THOUGHT, Verifier
from etude.verifier.pool import Pool
from etude.verifier.sandbox.cases import Malformed, Suite, suite
from etude.verifier.sandbox.interpreter import interpreter
from etude.verifier.sandbox.job import LEVELS
from etude.verifier.sandbox.judging import KINDS, Result, Runner
from etude.verifier.sandbox.level import Found, find
from etude.verifier.sandbox.limits import Limits
from etude.verifier.sandbox.process import Launcher

#: Seconds of a row's clock that are kept for ending its programs and telling what happened.
_SPARE = 2.0

_FENCE = re.compile(r"( {0,3})(`{3,})[ \t]*([^\s`]*)[^`]*")
_PYTHON = frozenset({"python", "python3", "py"})


@dataclass(frozen=True)
class Program:
    """The program of an answer, and whether its block said that it is Python."""

    source: str
    labelled: bool


def program_of(text: str, *, unlabelled: bool = True) -> Program | None:
    """Return the last closed block of Python, else the last block of no language where allowed."""
    found: dict[bool, str] = {}
    fence, label, indent = "", "", 0
    inside: list[str] = []
    for line in text.splitlines(keepends=True):
        match = _FENCE.fullmatch(line.rstrip())
        if not fence:
            if match is not None:
                indent, fence, label, inside = len(match[1]), match[2], match[3].lower(), []
        elif match is not None and not match[3] and match[2].startswith(fence):
            if label in _PYTHON or not label:
                found[bool(label)] = "".join(inside)
            fence = ""
        else:
            spaces = len(line) - len(line.lstrip(" "))
            inside.append(line[min(indent, spaces) :])
    if True in found:
        return Program(found[True], True)
    return Program(found[False], False) if unlabelled and False in found else None


@component(
    source="arXiv 2107.03374",
    requires=(Need("column:tests", why="to run the program against"),),
    provides=(
        "part:accuracy",
        Need("part:passed", when="stop_early == false"),
        "part:format",
        "part:length",
        THOUGHT,
    ),
)
@dataclass(frozen=True)
class Code(Verifier):
    """Runs the program in an answer against the row's tests, in a sandbox of the operating system.

    The column ``tests`` holds inputs and what is to be printed, arguments and what is to be
    returned, or assertions (``docs/code_verifier.md``); ``entry_point``, ``setup`` and ``prelude``
    are read where a row has them. Every program runs in processes of its own; what comes back is
    data, which is compared where the program cannot reach. Whatever a program does makes its answer
    wrong, with a reason. Parts: ``accuracy`` is 1 where all tests pass, ``passed`` the share of
    tests that do, ``format`` 1 where a block of Python was found in an answer that ended by itself,
    ``length`` the response's tokens.
    """

    example: ClassVar[str] = "recipe=rl data_mix=mbpp verifier=code"

    gold: ClassVar[str] = "tests"
    alternatives: ClassVar[bool] = False

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "timeout >= test_seconds + 3",
            "is {timeout}, and a row's time has to hold that of a test ({test_seconds}) and three "
            "seconds to end it: a larger {path}.timeout, or a smaller {path}.test_seconds",
            key="timeout",
        ),
    )

    timeout: float = option(
        60.0, "wall-clock seconds a row may take, all its tests together", gt=0, le=86_400
    )
    test_seconds: float = option(
        6.0, "wall-clock seconds a test may take, the start of Python included", gt=0, le=3600
    )
    test_memory: int = option(
        256, "MiB of address space of each process of a program", ge=64, le=65_536
    )
    output: int = option(
        65_536, "bytes a program may print, write to its standard error, or return", ge=1
    )
    processes: int = option(
        16, "processes and threads a program may have (below namespaces: threads)", ge=1, le=4096
    )
    files: int = option(16, "MiB of files a program may write", ge=1, le=4096)
    sandbox: str = option(
        "auto",
        "isolation that must be there at least: namespaces, seccomp or limits; auto: the strongest "
        "of this machine, at least seccomp",
        choices=("auto", *LEVELS),
    )
    packages: bool = option(
        False, "programs may import what is installed beside etude; false: the standard library"
    )
    unlabelled: bool = option(
        True, "a block without a language is read where none is labelled python"
    )
    stop_early: bool = option(False, "end at the first test that fails; there is no part passed")

    @property
    def limits(self) -> Limits:
        """Return what one test of a program may use."""
        return Limits(self.test_seconds, self.test_memory, self.output, self.processes, self.files)

    def unreadable(self, columns: Mapping[str, Any]) -> str | None:
        """Return why the tests of a row cannot be run, None where they can."""
        try:
            suite(columns)
        except Malformed as problem:
            return f"has malformed tests: {problem}"
        return None

    def open(self, host: Host | int = 1) -> CodeJudge:
        """Return a judge; raises VerifierError where the machine isolates less than is asked."""
        found = self.level()
        notice(f"verifier.sandbox={self.sandbox}: programs run at the level {found.words}")
        return CodeJudge(self, host_of(host).workers, found)

    def level(self) -> Found:
        """Return the level of isolation in force; raises VerifierError where it is too low."""
        return find(self.sandbox, self.limits, interpreter(packages=self.packages))

    def warm(self) -> None:
        """Start what starts programs; raises VerifierError where it cannot."""
        self.started.runner(self)

    def judge(self, candidate: Candidate) -> Verdict:
        """Return the verdict; raises VerifierError (a crash of the row) where none can be run."""
        until = time.monotonic() + self.timeout - _SPARE
        tests = suite(candidate.columns)
        program = program_of(candidate.response, unlabelled=self.unlabelled)
        ended = candidate.stop_reason is not StopReason.LENGTH
        labelled = program is not None and program.labelled
        parts = {
            "accuracy": 0.0,
            "passed": 0.0,
            "format": float(labelled and ended),
            "length": float(candidate.length),
        }
        if self.stop_early:
            del parts["passed"]
        if program is None or not program.source.strip():
            return Verdict(Outcome.NO_ANSWER, parts, detail="no block of Python was found")
        results = self._results(program.source, tests, until)
        passed = sum(result.passed for result in results)
        if not self.stop_early:
            parts["passed"] = passed / len(tests.cases)
        if passed == len(tests.cases):
            return Verdict(Outcome.CORRECT, {**parts, "accuracy": 1.0}, extracted=program.source)
        partial = passed > 0 and not self.stop_early
        outcome = Outcome.PARTIAL if partial else Outcome.WRONG
        return Verdict(
            outcome,
            parts,
            program.source,
            _told(results, len(tests.cases)),
            share=passed / len(tests.cases) if partial else None,
        )

    def _results(self, source: str, tests: Suite, until: float) -> list[Result]:
        found: list[Result] = []
        try:
            for result in self.started.runner(self).results(source, tests, until):
                found.append(result)
                if self.stop_early and not result.passed:
                    break
        except VerifierError:
            self.started.end()  # the next row has a new one
            raise
        return found

    @cached_property
    def started(self) -> Started:
        """Return what runs the programs of this process."""
        return Started()


class Started:
    """The runner of a worker process, started when it is first needed."""

    def __init__(self) -> None:
        self._runner: Runner | None = None

    def runner(self, verifier: Code) -> Runner:
        """Return the runner."""
        if self._runner is None:
            level = verifier.level().level
            python = interpreter(packages=verifier.packages)
            self._runner = Runner(Launcher(level, verifier.limits, python))
        return self._runner

    def use(self, runner: Runner) -> None:
        """Run programs by a runner that is already there."""
        self.end()
        self._runner = runner

    def end(self) -> None:
        """End it."""
        if self._runner is not None:
            self._runner.launcher.close()
            self._runner = None


class CodeJudge(Pool):
    """The judge of programs: worker processes, and numbers of what became of the programs."""

    def __init__(self, verifier: Code, workers: int, found: Found) -> None:
        super().__init__(verifier, workers)
        self._level = float(LEVELS.index(found.level) + 1)
        self._kinds: Counter[str] = Counter()
        self._slowest = 0.0

    def verify(self, candidates: Sequence[Candidate]) -> list[Verdict]:
        """Return one verdict a candidate, in order; raises VerifierError when none can start."""
        verdicts = super().verify(candidates)
        self._kinds = Counter(_kind(verdict) for verdict in verdicts)
        self._slowest = max((each.seconds or 0.0 for each in verdicts), default=0.0)
        return verdicts

    def metrics(self) -> dict[str, float]:
        """Return the level (1 limits, 2 seccomp, 3 namespaces) and what became of the last rows."""
        total = max(1, self._kinds.total())
        shares = {f"first_failure/{kind}": self._kinds[kind] / total for kind in KINDS}
        return {"sandbox_level": self._level, "slowest_row": self._slowest, **shares}


def _told(results: Sequence[Result], count: int) -> str:
    """Return the first test that failed and what happened in it."""
    number, first = next((i, each) for i, each in enumerate(results, 1) if not each.passed)
    return f"{first.kind} in test {number} of {count}: {first.why}"


def _kind(verdict: Verdict) -> str:
    return (verdict.detail or "").partition(" ")[0]
