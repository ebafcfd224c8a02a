"""Answers that are shorter than answers have been so far."""

from __future__ import annotations

from typing import Any

import pytest

from etude.feedback import RowRecord, StepFeedback
from etude.rows import Candidate, Outcome
from etude.verifier.concise import Concise
from etude.verifier.host import Alone
from etude.verifier.number import Number


def candidate(length: int) -> Candidate:
    return Candidate("a", 0, "1+1=", "2", {"answer": "2"}, length=length)


def step(*lengths: int, role: str = "policy") -> StepFeedback:
    parts = {"accuracy": 0.0}
    rows = [RowRecord(str(n), n, "s", {}, n, Outcome.WRONG, parts, role=role) for n in lengths]
    return StepFeedback(0, 1, {}, rows=rows)


@pytest.fixture
def host() -> Any:
    opened = Alone()
    yield opened
    opened.close()


def concise(judge: Any, *lengths: int) -> list[float]:
    return [v.parts["conciseness"] for v in judge.verify([candidate(n) for n in lengths])]


def test_usual_is_the_mean_of_all_steps_so_far_and_below_it_is_concise(host: Any) -> None:
    judge = Concise(rule=Number()).open(host)
    assert concise(judge, 1, 100) == [0.0, 0.0]
    judge.observe(step(10, 20))
    assert concise(judge, 14, 15, 16) == [1.0, 0.0, 0.0]
    judge.observe(step(30, 40))
    assert concise(judge, 24, 25) == [1.0, 0.0]
    judge.observe(step(1000, role="other"))
    assert concise(judge, 24, 25) == [1.0, 0.0]


def test_judging_moves_nothing_and_the_rule_has_its_say(host: Any) -> None:
    judge = Concise(rule=Number()).open(host)
    judge.observe(step(10))
    (verdict,) = judge.verify([candidate(5)])
    assert verdict.outcome is Outcome.CORRECT
    assert verdict.parts["accuracy"] == 1.0 == verdict.parts["conciseness"]
    assert concise(judge, 5, 50) == concise(judge, 5, 50) == [1.0, 0.0]


def test_it_goes_on_from_what_it_has_counted(host: Any) -> None:
    judge, other = Concise(rule=Number()).open(host), Concise(rule=Number()).open(host)
    judge.observe(step(3, 4, 4))
    other.load_state_dict(judge.state_dict())
    assert other.metrics() == judge.metrics() == {"mean_length": 11 / 3}
