"""How many programs a second the sandbox runs, and what it adds to a bare subprocess.

    python benchmarks/sandbox.py [--programs 40] [--workers 2]

Every figure is wall-clock time on a machine that should have nothing else to do; programs add two
numbers.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable

from etude.rows import Candidate, Outcome
from etude.verifier.code import Code
from etude.verifier.sandbox.cases import suite
from etude.verifier.sandbox.interpreter import interpreter
from etude.verifier.sandbox.job import LEVELS
from etude.verifier.sandbox.judging import Runner
from etude.verifier.sandbox.level import absent
from etude.verifier.sandbox.limits import Limits
from etude.verifier.sandbox.process import Launcher

PRINTS = "print(sum(map(int, input().split())))"
ADDS = "def add(a, b):\n    return a + b\n"
STYLES = {
    "stdin": (PRINTS, {"tests": [{"stdin": "1 2\n", "stdout": "3\n"}]}),
    "function": (ADDS, {"tests": [{"args": [1, 2], "expected": 3}], "entry_point": "add"}),
    "assertion": (ADDS, {"tests": ["assert add(1, 2) == 3"]}),
}


def milliseconds(once: Callable[[], None], count: int) -> float:
    """Return the time of one call in milliseconds, over so many."""
    once()
    began = time.perf_counter()
    for _ in range(count):
        once()
    return (time.perf_counter() - began) / count * 1000


def bare(python: str) -> None:
    command = [python, "-I", "-c", PRINTS]
    assert subprocess.run(command, input=b"1 2\n", capture_output=True).stdout == b"3\n"


def at(level: str, count: int, python: float) -> None:
    launcher = Launcher(level, Limits(), interpreter(packages=False))
    runner = Runner(launcher)
    try:
        for style, (source, columns) in STYLES.items():
            tests = suite(columns)

            def once(source: str = source, tests: object = tests) -> None:
                (result,) = runner.results(source, tests, time.monotonic() + 60)  # type: ignore[arg-type]
                assert result.passed, result

            took = milliseconds(once, count)
            print(
                f"{level:11} {style:10} {took:8.1f} ms   {took - python:+8.1f} ms over a bare one"
            )
    finally:
        launcher.close()


def through_workers(count: int, workers: int) -> None:
    source, columns = STYLES["stdin"]
    answer = f"```python\n{source}\n```"
    rows = [Candidate(str(n), 0, "", answer, columns) for n in range(count)]
    with Code().open(workers) as judge:
        judge.verify(rows[:workers])  # the workers start
        began = time.perf_counter()
        verdicts = judge.verify(rows)
        took = time.perf_counter() - began
    assert all(each.outcome is Outcome.CORRECT for each in verdicts)
    print(f"verifier=code, {workers} workers: {count / took:.1f} programs a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    python = interpreter(packages=False)
    alone = milliseconds(lambda: bare(python.path), given.programs)
    print(f"bare subprocess        {alone:8.1f} ms")
    for level in LEVELS:
        why = absent(level, Limits(), python)
        if why is None:
            at(level, given.programs, alone)
        else:
            print(f"{level:11} not here: {why}")
    through_workers(given.programs, given.workers)


if __name__ == "__main__":
    main()
