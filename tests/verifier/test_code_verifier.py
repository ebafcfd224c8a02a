"""What the verifier of programs promises beyond single verdicts."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import code_cases
import pytest

from etude.errors import VerifierError
from etude.notices import noticed_by
from etude.rows import Candidate, Outcome, StopReason, Verdict
from etude.verifier.code import Code, program_of
from etude.verifier.sandbox import judging, seccomp
from etude.verifier.sandbox import level as levels
from etude.verifier.sandbox.cases import suite
from etude.verifier.sandbox.interpreter import interpreter
from etude.verifier.sandbox.judging import Runner
from etude.verifier.sandbox.limits import Limits

LEVEL = code_cases.strongest()
runs = pytest.mark.skipif(LEVEL is None, reason="no program can be run apart on this machine")
slow = pytest.mark.slow

SUM = {"tests": ["assert f(1, 2) == 3", "assert f(2, 2) == 4"]}
RIGHT = "```python\ndef f(a, b):\n    return a + b\n```\n"


def asked(response: str, columns: dict[str, Any], **more: Any) -> Candidate:
    return Candidate("row", 0, "", response, columns, **more)


def judged(verifier: Code, *candidates: Candidate) -> list[Verdict]:
    with verifier.open(1) as judge:
        return judge.verify(candidates)


# Tests of rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"tests": []}, "holds no tests"),
        ({"tests": None}, "holds no tests"),
        ({"tests": 7}, "holds no tests"),
        ({"tests": ["f(1) == 2"]}, "test 1 asserts nothing"),
        ({"tests": ["assert f(1) == 2", "assert f(1 = 2"]}, "test 2 is no Python"),
        ({"tests": ["def check(candidate):\n    assert candidate()"]}, "entry_point has to name"),
        ({"tests": [{"stdin": "1"}]}, "stdin and stdout"),
        ({"tests": [{"stdin": 1, "stdout": "1"}]}, "stdin and stdout"),
        ({"tests": [{"args": 1, "expected": 2}], "entry_point": "f"}, "args, a list"),
        ({"tests": [{"args": [1], "expected": 2}]}, "the column entry_point"),
        ({"tests": [{"args": [1]}], "entry_point": "f"}, "args, a list, and expected"),
        ({"tests": [{"args": [1], "expected": 2}], "entry_point": "f()"}, "names no function"),
        ({"tests": [{"stdin": "", "stdout": ""}, "assert f()"]}, "all of one style"),
        ({"tests": [{"stdin": "", "stdout": "", "float_tolerance": -1}]}, "float_tolerance"),
        ({"tests": {"inputs": ["1"], "outputs": []}}, "equally long"),
        ({"tests": ["assert f()"], "setup": "import ("}, "the column setup is no Python"),
        ({"tests": ["assert f()"], "prelude": "def"}, "the column prelude is no Python"),
        ({"tests": ["assert " + "(" * 5000]}, "is no Python"),
    ],
)
def test_malformed_tests_are_a_fault_of_the_row(columns: dict[str, Any], problem: str) -> None:
    told = Code().unreadable(columns)
    assert told is not None
    assert problem in told


@pytest.mark.parametrize(
    "columns",
    [
        SUM,
        {"tests": json.dumps(SUM["tests"])},
        {"tests": {"inputs": ["1"], "outputs": ["1"]}},
        {"tests": json.dumps({"inputs": [[1]], "outputs": [1], "fn_name": "f"})},
        {"tests": [{"input": "1", "output": "1"}]},
        {"tests": "def check(candidate):\n    assert candidate()", "entry_point": "f"},
    ],
)
def test_tests_in_the_forms_that_sets_have_them_are_read(columns: dict[str, Any]) -> None:
    assert Code().unreadable(columns) is None


# Verdicts ---------------------------------------------------------------------------------------


@runs
@slow
def test_parts_shares_and_reasons() -> None:
    half = RIGHT.replace("a + b", "3")
    right, partial, none, cut, bare = judged(
        Code(),
        asked(RIGHT, SUM, length=9),
        asked(half, SUM),
        asked("def f(a, b): return a + b", SUM),
        asked(RIGHT, SUM, stop_reason=StopReason.LENGTH),
        asked(RIGHT.replace("python", ""), SUM),
    )
    assert right.outcome is Outcome.CORRECT
    assert right.parts == {"accuracy": 1, "passed": 1, "format": 1, "length": 9}
    assert partial.outcome is Outcome.PARTIAL
    assert partial.share == 0.5
    assert partial.parts == {"accuracy": 0, "passed": 0.5, "format": 1, "length": 0}
    assert partial.detail is not None
    assert partial.detail.startswith("wrong_answer in test 2 of 2")
    assert none.outcome is Outcome.NO_ANSWER
    assert cut.parts["format"] == 0
    assert bare.outcome is Outcome.CORRECT
    assert bare.parts["format"] == 0


@runs
@slow
def test_a_judge_that_stops_early_gives_no_share() -> None:
    loops = "```python\ndef f(a, b):\n    while True: pass\n```"
    began = time.monotonic()
    (verdict,) = judged(
        Code(stop_early=True, test_seconds=2), asked(loops, {"tests": SUM["tests"] * 20})
    )
    assert verdict.outcome is Outcome.WRONG
    assert sorted(verdict.parts) == ["accuracy", "format", "length"]
    assert time.monotonic() - began < 30


@runs
@slow
def test_many_slow_tests_are_a_wrong_answer_within_the_time_of_the_row() -> None:
    loops = "```python\ndef f(a, b):\n    while True: pass\n```"
    (verdict,) = judged(Code(test_seconds=2, timeout=6), asked(loops, {"tests": SUM["tests"] * 20}))
    assert verdict.outcome is Outcome.WRONG
    assert verdict.detail is not None
    assert verdict.detail.startswith("time_limit in test 1 of 40")


@runs
@slow
def test_long_programs_long_inputs_and_what_is_never_read() -> None:
    program = "x = [\n" + "0,\n" * 25_000 + "]\nprint(3)\n"
    lines = {"tests": [{"stdin": "1 2\n" * 60_000, "stdout": "3\n"}]}
    count = "import sys\nprint(len(sys.stdin.read().split()))\n"
    number = {"tests": [{"stdin": "1 2\n" * 60_000, "stdout": "120000\n"}]}
    found = judged(
        Code(test_memory=512, test_seconds=20),
        asked(f"```python\n{program}```", lines),
        asked(f"```python\n{count}```", number),
        asked("x" * 2_000_000, lines),
        asked("```python\n" * 100_000, lines),
        asked("```python\n\udcff\ud800\n```", lines),
    )
    assert [each.outcome.value for each in found] == [
        *("correct", "correct", "no_answer", "no_answer", "wrong")
    ]


@runs
@slow
def test_setup_that_fails_is_no_wrong_answer() -> None:
    columns = {**SUM, "setup": ["raise ValueError('no')"]}
    broken, fine = judged(Code(), asked(RIGHT, columns), asked(RIGHT, SUM))
    assert broken.outcome is Outcome.CRASHED
    assert broken.detail is not None
    assert "setup" in broken.detail
    assert fine.outcome is Outcome.CORRECT


def test_a_verifier_goes_to_its_workers_by_pickling() -> None:
    verifier = Code(test_seconds=2)
    assert pickle.loads(pickle.dumps(verifier)) == verifier


def test_reading_a_long_answer_takes_time_in_proportion() -> None:
    def seconds(count: int) -> float:
        began = time.perf_counter()
        program_of("```python\nx\n" * count + "`" * count)
        return time.perf_counter() - began

    seconds(1000)
    assert seconds(40_000) < 200 * max(seconds(1000), 1e-3)


# Levels -----------------------------------------------------------------------------------------


def found(monkeypatch: pytest.MonkeyPatch, asked_for: str, there: set[str]) -> levels.Found:
    def absent(level: str, limits: Limits, python: object) -> str | None:
        return None if level in there else f"no {level} on this kernel"

    monkeypatch.setattr(levels, "absent", absent)
    return levels.find(asked_for, Limits(), interpreter(packages=False))


@pytest.mark.parametrize(
    ("asked_for", "there", "level"),
    [
        ("auto", {"limits", "seccomp", "namespaces"}, "namespaces"),
        ("auto", {"limits", "seccomp"}, "seccomp"),
        ("seccomp", {"limits", "seccomp"}, "seccomp"),
        ("limits", {"limits"}, "limits"),
        ("limits", {"limits", "seccomp", "namespaces"}, "namespaces"),
    ],
)
def test_the_strongest_level_is_in_force(
    monkeypatch: pytest.MonkeyPatch, asked_for: str, there: set[str], level: str
) -> None:
    assert found(monkeypatch, asked_for, there).level == level


@pytest.mark.parametrize(
    ("asked_for", "there"),
    [("namespaces", {"limits", "seccomp"}), ("auto", {"limits"}), ("limits", set())],
)
def test_less_than_is_asked_for_is_refused(
    monkeypatch: pytest.MonkeyPatch, asked_for: str, there: set[str]
) -> None:
    with pytest.raises(VerifierError, match=f"verifier.sandbox={asked_for}.*on this kernel"):
        found(monkeypatch, asked_for, there)


@runs
@slow
def test_the_level_is_said_and_logged() -> None:
    said: list[str] = []
    with noticed_by(said.append):
        judge = Code().open(1)
    with judge:
        judge.verify([asked(RIGHT, SUM), asked(RIGHT.replace("+", "-"), SUM)])
    assert [f"programs run at the level {LEVEL}" in each for each in said] == [True]
    numbers = judge.metrics()
    assert numbers["sandbox_level"] == 1 + ("limits", "seccomp", "namespaces").index(str(LEVEL))
    assert numbers["first_failure/wrong_answer"] == 0.5


#: What a filter of system calls answers.
ALLOWED, REFUSED = 0x7FFF0000, 0x00050001


def answered(call: str, *arguments: int, processes: bool, machine: str = "x86_64") -> int:
    """Return what the filter of a program with the number 7 says of a system call."""
    calls = seccomp.CALLS[machine]
    values = {0: calls.numbers[call], 4: calls.arch}
    for place, value in enumerate(arguments):
        values[16 + 8 * place] = value
    codes = seccomp.instructions(calls, processes=processes, files=True, pid=7)
    loaded, at = 0, 0
    while True:
        kind, if_true, if_false, operand = codes[at]
        at += 1
        if kind == 0x06:
            return operand
        if kind == 0x20:
            loaded = values.get(operand, 0)
        elif kind == 0x15:
            at += if_true if loaded == operand else if_false
        elif kind == 0x35:
            at += if_true if loaded >= operand else if_false
        else:
            at += if_true if loaded & operand else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("call", "arguments", "alone"),
    [
        ("kill", (7, 9), ALLOWED),
        ("kill", (8, 9), REFUSED),
        ("rt_sigqueueinfo", (8, 9), REFUSED),
        ("rt_tgsigqueueinfo", (8, 8, 9), REFUSED),
        ("fcntl", (3, 8, 8), REFUSED),  # F_SETOWN: a signal when a file is ready
        ("fcntl", (3, 10, 9), REFUSED),  # F_SETSIG: which one
        ("fcntl", (3, 15, 0), REFUSED),  # F_SETOWN_EX
        ("fcntl", (3, 3, 0), ALLOWED),
        ("ioctl", (3, 0x8901, 0), REFUSED),
        ("ioctl", (3, 0x5401, 0), ALLOWED),
        ("prlimit64", (0, 9), ALLOWED),
        ("prlimit64", (7, 9), ALLOWED),
        ("prlimit64", (8, 9), REFUSED),
        ("sched_setaffinity", (8, 8), REFUSED),
        ("socket", (1, 1), REFUSED),
        ("socketpair", (1, 1), ALLOWED),
        ("socketpair", (1, 0o2000001), ALLOWED),
        ("socketpair", (1, 2), REFUSED),  # datagrams may be sent to anybody
        ("socketpair", (2, 1), REFUSED),
    ],
)
def test_a_program_without_namespaces_reaches_no_other_process(
    machine: str, call: str, arguments: tuple[int, ...], alone: int
) -> None:
    assert answered(call, *arguments, processes=False, machine=machine) == alone


@pytest.mark.parametrize(
    ("call", "arguments", "within"),
    [
        ("kill", (8, 9), ALLOWED),  # whom it sees are its own
        ("prlimit64", (8, 9), ALLOWED),
        ("socket", (1, 1), ALLOWED),
        ("socket", (2, 1), REFUSED),
        ("socketpair", (1, 2), ALLOWED),
        ("ptrace", (0,), REFUSED),
        ("clone", (0x40000000,), REFUSED),  # a network namespace of its own
    ],
)
def test_what_namespaces_hold_apart_is_allowed(
    call: str, arguments: tuple[int, ...], within: int
) -> None:
    assert answered(call, *arguments, processes=True) == within


def test_an_answer_nested_without_end_is_a_forged_one_and_no_failure() -> None:
    nested: list[Any] = []
    for _ in range(50_000):
        nested = [nested]

    class Program:
        def send(self, message: Any) -> None:
            pass

        def receive(self, deadline: float) -> dict[str, Any]:
            return {"nonce": "n", "index": 0, "value": nested}

    session = object.__new__(judging._Session)
    session._runner = Runner(SimpleNamespace(limits=Limits(), level="limits"))  # type: ignore[arg-type]
    session._suite = suite({"tests": [{"args": [1], "expected": 2}], "entry_point": "f"})
    session._until, session._nonce = time.monotonic() + 60, "n"
    session._asserts, session._loaded = False, True
    session._program = Program()  # type: ignore[assignment]
    result = session.judge(0)
    assert (result.kind, session.over) == ("runtime_error", True)


# What is left behind ----------------------------------------------------------------------------

#: Leaves a child in a session of its own, which is found by a word on its command line.
_LEAVES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "{word}"])
time.sleep({seconds})
print(3)
"""


def with_word(word: str) -> list[str]:
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in line and folder.name != str(os.getpid()) and "time.sleep(600)" in line:
            lines.append(line)
    return lines


@runs
@slow
def test_a_child_in_another_session_ends_with_the_verdict() -> None:
    word = uuid.uuid4().hex
    program = _LEAVES.format(word=word, seconds=0.2)
    columns = {"tests": [{"stdin": "", "stdout": "3"}]}
    (verdict,) = judged(Code(), asked(f"```python\n{program}```", columns))
    assert not verdict.outcome.failed
    assert with_word(word) == []


@runs
@slow
def test_nothing_is_left_when_the_judging_process_is_killed(tmp_path: Path) -> None:
    word = uuid.uuid4().hex
    program = _LEAVES.format(word=word, seconds=600)
    script = tmp_path / "judge.py"
    script.write_text(
        "from etude.rows import Candidate\n"
        "from etude.verifier.code import Code\n"
        "if __name__ == '__main__':\n"
        f"    answer = {('```python' + chr(10) + program + '```')!r}\n"
        "    columns = {'tests': [{'stdin': '', 'stdout': '3'}]}\n"
        "    with Code(test_seconds=50).open(1) as judge:\n"
        "        judge.verify([Candidate('a', 0, '', answer, columns)])\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        until = time.monotonic() + 60
        # Below namespaces the program may start none: its scratch folder tells that it runs.
        while not with_word(word) and not list(tmp_path.glob("etude-program-*/*")):
            assert process.poll() is None
            if time.monotonic() > until or (
                LEVEL != "namespaces" and time.monotonic() > until - 50
            ):
                break
            time.sleep(0.02)
        assert LEVEL != "namespaces" or with_word(word)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until = time.monotonic() + 30
    while (with_word(word) or list(tmp_path.glob("etude-program-*"))) and time.monotonic() < until:
        time.sleep(0.05)
    assert with_word(word) == []
    assert list(tmp_path.glob("etude-program-*")) == []
