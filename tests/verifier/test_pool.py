"""Whatever an answer does to its worker, every row gets its verdict and no process is left."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from etude.errors import VerifierError
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.interface import Verifier
from etude.verifier.number import Number

pytestmark = pytest.mark.slow

PARTS = {"accuracy": 1.0}


@dataclass(frozen=True)
class Obedient(Verifier):
    """Does what the response says."""

    def judge(self, candidate):
        response = candidate.response
        if response == "hang":
            while True:
                pass
        if response == "hang in C":
            pow(7, 10**12)
        if response == "exit":
            os._exit(3)
        if response == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if response == "eat":
            bytearray(2**36)  # refused at once: a hoard grown piece by piece races the time limit
        if response == "recurse":
            return self.judge(candidate)
        if response == "raise":
            raise ValueError("no such answer")
        if response == "leave":
            sys.exit(5)
        if response == "shout":
            print("noise\n" * 1000, file=sys.stderr)
            print("noise\n" * 1000)
        if response == "pid":
            return Verdict(Outcome.CORRECT, PARTS, extracted=str(os.getpid()))
        if response == "modules":
            return Verdict(Outcome.CORRECT, PARTS, extracted=" ".join(sys.modules))
        return Verdict(Outcome.CORRECT, PARTS, extracted=response)


@dataclass(frozen=True)
class Most(Verifier):
    """Right is what most answers to a prompt say: it needs the whole group."""

    unit: ClassVar = "group"

    def judge_group(self, candidates):
        if any(candidate.response == "hang" for candidate in candidates):
            time.sleep(1000)
        winner, _ = Counter(c.response for c in candidates).most_common(1)[0]
        return [
            Verdict(
                Outcome.CORRECT if c.response == winner else Outcome.WRONG,
                {"accuracy": float(c.response == winner)},
            )
            for c in candidates
        ]


@dataclass(frozen=True)
class Broken(Verifier):
    """Cannot start."""

    how: str = "raise"

    def warm(self):
        if self.how == "exit":
            os._exit(7)
        raise ImportError("no module named wonder")

    def judge(self, candidate):
        return Verdict(Outcome.CORRECT, {})


def candidates(*responses):
    return [
        Candidate("p", place, "", response, {"answer": "1"})
        for place, response in enumerate(responses)
    ]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pids, seconds=5.0):
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_bad_rows_get_their_own_outcomes_and_the_others_are_judged():
    responses = [
        "a",
        "hang",
        "b",
        "exit",
        "c",
        "killed",
        "eat",
        "d",
        "raise",
        "recurse",
        "leave",
        "e",
        "shout",
        "f",
    ]
    with Obedient(timeout=3.0, memory=512).open(2) as judge:
        verdicts = judge.verify(candidates(*responses))
    outcome = {
        response: verdict.outcome for response, verdict in zip(responses, verdicts, strict=True)
    }
    crashed = {"exit", "killed", "eat", "raise", "recurse", "leave"}
    assert {r for r, o in outcome.items() if o is Outcome.CRASHED} == crashed
    assert outcome.pop("hang") is Outcome.TIMED_OUT
    assert all(o is Outcome.CORRECT for r, o in outcome.items() if r not in crashed)
    detail = {
        response: verdict.detail for response, verdict in zip(responses, verdicts, strict=True)
    }
    assert "exited with code 3" in detail["exit"]
    assert "SIGKILL" in detail["killed"]
    assert "MemoryError" in detail["eat"]
    assert "ValueError: no such answer" in detail["raise"]
    assert "3 s" in detail["hang"]
    counted = {outcome: count for outcome, count in judge.counts.items() if count}
    assert counted == {Outcome.CORRECT: 7, Outcome.TIMED_OUT: 1, Outcome.CRASHED: 6}
    taken = {response: each.seconds for response, each in zip(responses, verdicts, strict=True)}
    assert taken["hang"] == 3.0
    assert 0 < taken["a"] < 3.0


def test_a_row_without_a_verdict_has_no_parts_so_that_it_cannot_pass_for_a_zero():
    with Obedient(timeout=0.3).open(1) as judge:
        for verdict in judge.verify(candidates("hang", "exit", "raise")):
            assert verdict.parts == {}
            assert verdict.detail


def test_a_worker_stuck_in_c_code_is_killed_too():
    with Obedient(timeout=0.5).open(1) as judge:
        began = time.monotonic()
        verdicts = judge.verify(candidates("hang in C", "a"))
    assert [v.outcome for v in verdicts] == [Outcome.TIMED_OUT, Outcome.CORRECT]
    assert time.monotonic() - began < 10


def test_verdicts_come_in_order_and_do_not_depend_on_the_number_of_workers():
    rows = [Candidate("p", n, "", f"#### {n % 7}", {"answer": "3"}) for n in range(200)]
    with Number().open(1) as one, Number().open(3) as three:
        assert one.verify(rows) == three.verify(rows) == [Number().judge(row) for row in rows]
        assert one.verify([]) == []


def test_workers_are_kept_between_batches_import_no_torch_and_end_with_the_judge():
    judge = Obedient().open(1)
    (first,) = judge.verify(candidates("pid"))
    (again,) = judge.verify(candidates("pid"))
    (modules,) = judge.verify(candidates("modules"))
    assert first.extracted == again.extracted
    assert "torch" not in modules.extracted.split()
    assert alive(int(first.extracted))
    judge.close()
    judge.close()
    assert gone([int(first.extracted)])


def test_a_worker_that_died_while_idle_costs_no_row():
    with Obedient().open(1) as judge:
        (first,) = judge.verify(candidates("pid"))
        os.kill(int(first.extracted), signal.SIGKILL)
        assert gone([int(first.extracted)])
        assert [v.outcome for v in judge.verify(candidates("a", "b"))] == [Outcome.CORRECT] * 2


def test_a_group_is_judged_together_and_times_out_together():
    rows = [
        Candidate(prompt, place, "", response, {})
        for prompt, group in (("p", "aab"), ("q", "bbb"))
        for place, response in enumerate(group)
    ]
    mixed = [rows[0], rows[3], rows[1], rows[4], rows[2], rows[5]]
    with Most(timeout=0.5).open(2) as judge:
        correct = [v.outcome is Outcome.CORRECT for v in judge.verify(mixed)]
        assert correct == [True, True, True, True, False, True]
        stuck = [Candidate("r", n, "", "hang", {}) for n in range(2)]
        outcomes = [v.outcome for v in judge.verify([*stuck, *rows[:3]])]
        assert outcomes == [Outcome.TIMED_OUT] * 2 + [Outcome.CORRECT] * 2 + [Outcome.WRONG]


@pytest.mark.parametrize(("how", "said"), [("raise", "no module named wonder"), ("exit", "code 7")])
def test_a_verifier_that_cannot_start_is_an_error_and_not_a_verdict(how, said):
    with Broken(how=how).open(2) as judge, pytest.raises(VerifierError, match=said):
        judge.verify(candidates("a"))


PARENT = """
import os, signal, sys, threading, time
# A shell that starts the tests in the background hands on an ignored SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {here!r})
from test_pool import Obedient, candidates

if __name__ == "__main__":
    judge = Obedient(timeout=600).open(2)
    pids = {{v.extracted for v in judge.verify(candidates(*["pid"] * 40))}}
    print(*pids, flush=True)
    judge.verify(candidates({first!r}, {second!r}))
"""


def start_parent(tmp_path, first, second):
    program = tmp_path / "parent.py"
    program.write_text(
        textwrap.dedent(PARENT).format(here=str(Path(__file__).parent), first=first, second=second)
    )
    parent = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert pids
    time.sleep(0.3)  # the busy rows are being judged now
    assert all(alive(pid) for pid in pids)
    return parent, pids


@pytest.mark.parametrize("busy", ["hang", "hang in C"])
def test_no_worker_outlives_a_parent_that_is_killed_while_they_are_busy(tmp_path, busy):
    parent, pids = start_parent(tmp_path, busy, busy)
    parent.kill()
    parent.communicate()
    assert gone(pids), "a busy worker outlived its parent"


def test_an_interrupt_ends_the_parent_and_its_workers_quietly(tmp_path):
    parent, pids = start_parent(tmp_path, "hang", "hang")
    parent.send_signal(signal.SIGINT)
    _, said = parent.communicate(timeout=10)
    assert parent.returncode != 0
    assert said.count("KeyboardInterrupt") == 1  # the parent's own; no worker prints one
    assert gone(pids)


def test_workers_ignore_an_interrupt_of_their_own():
    with Obedient().open(1) as judge:
        (first,) = judge.verify(candidates("pid"))
        os.kill(int(first.extracted), signal.SIGINT)
        time.sleep(0.05)
        (again,) = judge.verify(candidates("pid"))
    assert first.extracted == again.extracted


def test_a_pool_needs_a_worker():
    with pytest.raises(VerifierError, match="at least one"):
        Number().open(0)
