"""What an answer spends is its own doing: it is wrong, with every part; a step waits so long only.

A verifier that does not say that time and memory are the answer's to spend has failed itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import pytest

from etude.component import component
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.interface import THOUGHT, Verifier, sound

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Spending(Verifier):
    """Spends what the response says."""

    def judge(self, candidate: Candidate) -> Verdict:
        match candidate.response:
            case "compute":
                while True:
                    pass
            case "sleep":
                time.sleep(1000)
            case "eat":
                bytearray(2**36)
            case "nest":
                return self.judge(candidate)
            case "half":
                return Verdict(Outcome.PARTIAL, {"accuracy": 0.5})
        return Verdict(Outcome.CORRECT, {"accuracy": 1.0, "format": 1.0, "length": 1.0})


@component(
    group="verifier",
    name="one whose answers spend",
    provides=("part:accuracy", "part:format", "part:length", THOUGHT),
)
@dataclass(frozen=True)
class Blaming(Spending):
    """The same, and what is spent is the answer's."""

    answer_can_exhaust: ClassVar[bool] = True


@component(group="verifier", name="one of groups", provides=("part:accuracy",))
@dataclass(frozen=True)
class Together(Blaming):
    """The same for all answers to a prompt at once."""

    unit: ClassVar = "group"

    def judge_group(self, candidates: list[Candidate]) -> list[Verdict]:
        return [self.judge(candidate) for candidate in candidates]


def candidates(*responses: str, evaluation: bool = False) -> list[Candidate]:
    return [
        Candidate("p", place, "", text, {}, length=7, evaluation=evaluation)
        for place, text in enumerate(responses)
    ]


SPENT = {
    "compute": "the answer cannot be judged in 0.5 s (verifier.timeout)",
    "eat": "the answer cannot be judged in 512 MiB of memory (verifier.memory)",
    "nest": "the answer is nested too deeply to be read",
}


def test_an_answer_that_takes_more_than_there_is_is_wrong_with_every_part_and_a_reason():
    with Blaming(timeout=0.5, memory=512).open(1) as judge:
        verdicts = judge.verify(candidates(*SPENT, "fine"))
    assert verdicts.pop().outcome is Outcome.CORRECT
    for verdict, said in zip(verdicts, SPENT.values(), strict=True):
        assert verdict.outcome is Outcome.WRONG
        assert verdict.parts == {"accuracy": 0.0, "format": 0.0, "length": 7.0}
        assert verdict.detail == said
        assert verdict.seconds is not None


def test_it_is_the_verifiers_failure_where_it_does_not_say_that_answers_spend():
    with Spending(timeout=0.5, memory=512).open(1) as judge:
        outcomes = [each.outcome for each in judge.verify(candidates(*SPENT, "fine"))]
    crashed = Outcome.CRASHED
    assert outcomes == [Outcome.TIMED_OUT, crashed, crashed, Outcome.CORRECT]


def test_a_row_that_only_waited_for_its_time_was_not_held_up_by_its_answer():
    with Blaming(timeout=0.5).open(1) as judge:
        (verdict,) = judge.verify(candidates("sleep"))
    assert verdict.outcome is Outcome.TIMED_OUT
    assert not verdict.parts
    assert "of which it worked" in str(verdict.detail)


def test_of_a_group_nobody_knows_whose_answer_it_was():
    with Together(timeout=0.5).open(1) as judge:
        found = judge.verify(candidates("fine", "compute"))
    assert [each.outcome for each in found] == [Outcome.TIMED_OUT] * 2


@pytest.mark.parametrize("verifier", [Spending, Blaming])
def test_a_step_of_answers_that_hang_is_delayed_by_its_limit_and_the_rest_is_unjudged(verifier):
    with verifier(timeout=0.5, batch_timeout=0.75).open(2) as judge:
        judge.verify(candidates("fine"))
        began = time.monotonic()
        found = judge.verify(candidates(*["compute"] * 64))
        assert time.monotonic() - began < 8.0  # one after the other they would take 16 and more
        (fine,) = judge.verify(candidates("fine"))
    unjudged = [each for each in found if "batch_timeout" in str(each.detail)]
    assert len(unjudged) >= 56
    assert all(each.outcome is Outcome.TIMED_OUT and not each.parts for each in unjudged)
    assert fine.outcome is Outcome.CORRECT


def test_what_is_measured_has_its_time_for_every_answer():
    with Blaming(timeout=0.2, batch_timeout=0.1).open(2) as judge:
        found = judge.verify(candidates(*["compute"] * 4, evaluation=True))
    assert [each.seconds for each in found] == [0.2] * 4


def test_a_partial_answer_says_how_much_of_it_is_right_or_is_a_fault_of_the_verifier():
    with Spending().open(1) as judge:
        (half,) = judge.verify(candidates("half"))
    assert sound(half) is half
    assert half.credit == 0.5
    shared = Verdict(Outcome.PARTIAL, {"tests": 0.25}, share=0.25)
    assert sound(shared).credit == 0.25
    for bad in (Verdict(Outcome.PARTIAL, {"tests": 0.25}), Verdict(Outcome.PARTIAL, {}, share=2.0)):
        assert sound(bad).outcome is Outcome.CRASHED
        assert "its share is" in str(sound(bad).detail)
