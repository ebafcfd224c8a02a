"""Cases of programs and tests, judged as training judges them, many in one go."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.code import Code, CodeJudge
from etude.verifier.sandbox.guardian import SCRATCH
from etude.verifier.sandbox.interpreter import interpreter
from etude.verifier.sandbox.job import LEVELS
from etude.verifier.sandbox.judging import ACCEPTED, Runner
from etude.verifier.sandbox.level import absent
from etude.verifier.sandbox.limits import Limits
from etude.verifier.sandbox.process import Launcher

ROOT = Path(__file__).parents[2]
GIVEN = Path(os.environ.get("ETUDE_GOLDEN") or ROOT.parent / "shared" / "golden")
OWN = ROOT / "tests" / "golden" / "own"
NAME = "code_verification.json"

Case = dict[str, Any]


def cases(folder: Path) -> list[Case]:
    """Return the cases of a folder, none where it has no file of them."""
    path = folder / NAME
    return json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else []


def missing(level: str) -> str | None:
    """Return why a level of isolation is not to be had on this machine, None where it is."""
    return absent(level, Limits(), interpreter(packages=False))


def strongest() -> str | None:
    """Return the level in force on this machine."""
    return next((level for level in reversed(LEVELS) if missing(level) is None), None)


def verifier(case: Case) -> Code:
    """Return the verifier with the limits of a case."""
    limits = case["limits"]
    return Code(
        test_seconds=limits["time_s"],
        test_memory=limits["memory_mb"],
        output=limits["output_bytes"],
        processes=limits["processes"],
        sandbox="limits",
    )


def candidate(case: Case) -> Candidate:
    """Return an answer that holds the program of a case."""
    names = ("tests", "entry_point", "prelude", "setup")
    columns = {name: case[name] for name in names if name in case}
    return Candidate(case["id"], 0, "", f"````python\n{case['program']}````\n", columns)


class Judges:
    """Judges of cases, one for each set of limits, each with a worker process of its own."""

    def __init__(self) -> None:
        self._open: dict[str, CodeJudge] = {}

    def verdict(self, case: Case) -> Verdict:
        """Return the verdict on a case."""
        key = json.dumps(case["limits"], sort_keys=True)
        if key not in self._open:
            self._open[key] = verifier(case).open(1)
        return self._open[key].verify([candidate(case)])[0]

    def close(self) -> None:
        """End the worker processes."""
        for judge in self._open.values():
            judge.close()


def judged_at(level: str, chosen: list[Case]) -> dict[str, Verdict]:
    """Return the verdict on each case at a level of isolation, in this process."""
    found: dict[str, Verdict] = {}
    for key in sorted({json.dumps(case["limits"]) for case in chosen}):
        alike = [case for case in chosen if json.dumps(case["limits"]) == key]
        judge = verifier(alike[0])
        python = interpreter(packages=judge.packages)
        judge.started.use(Runner(Launcher(level, judge.limits, python)))
        try:
            found |= {case["id"]: judge.judge(candidate(case)) for case in alike}
        finally:
            judge.started.end()
    return found


def kind(verdict: Verdict) -> str:
    """Return what became of a program, as cases call it."""
    if verdict.outcome is Outcome.CORRECT:
        return ACCEPTED
    return (verdict.detail or "").partition(" ")[0]


def check(case: Case, verdict: Verdict) -> None:
    """Fail unless a verdict is what a case expects."""
    expected = case["expected"]
    told = f"{case['id']}: {verdict.outcome} {verdict.parts}: {verdict.detail}"
    assert not verdict.outcome.failed, told
    assert kind(verdict) in expected["verdict_any_of"], told
    assert len(case["tests"]) == expected["total"]
    if expected["passed"] is None:
        return
    assert round(verdict.parts["passed"] * expected["total"]) == expected["passed"], told
    assert verdict.parts["accuracy"] == expected["reward_all"], told
    assert abs(verdict.parts["passed"] - expected["reward_fraction"]) < 1e-9, told


#: Stands in the environment of every process that this one starts, but for programs.
MARK = f"ETUDE_TEST_OF={os.getpid()}.{secrets.token_hex(4)}"
os.environ.update([MARK.split("=")])


def survivors() -> list[str]:
    """Return the command lines of processes of this test that start programs or guard them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if MARK.encode() not in (folder / "environ").read_bytes():
                continue
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "sandbox.launcher" in line:
            found.append(f"{folder.name}: {line[:200]}")
    return found


@contextmanager
def listener() -> Iterator[None]:
    """Listen on the port of this machine that a case tries to reach."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", 18765))
        except OSError:  # somebody else listens there, which is as good
            yield
            return
        listening.listen()
        yield


@contextmanager
def traces() -> Iterator[Callable[[], None]]:
    """Give a check that nothing was left in the places where programs could have left it."""
    places = [Path(tempfile.gettempdir()), Path.cwd(), Path("/dev/shm"), Path("/")]

    def there() -> set[str]:
        marks = ("etude_escaped", "pwned_by_pickle", "note.txt", "state", "psm_")
        return {
            str(each)
            for place in places
            if place.is_dir()
            for each in place.iterdir()
            if each.name.startswith((SCRATCH, *marks))
        }

    before = there()

    def check() -> None:
        until = time.monotonic() + 20  # large folders take a moment to be removed
        while not there() <= before and time.monotonic() < until:
            time.sleep(0.05)
        assert there() <= before

    yield check
