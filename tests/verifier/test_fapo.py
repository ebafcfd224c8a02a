"""Right answers with a wrong step before them: who is judged, and what a flaw costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from always import Always, Never
from judging_models import Says

from etude.feedback import RowRecord, StepFeedback
from etude.rows import Candidate, Outcome
from etude.verifier.fapo import FlawedPositives
from etude.verifier.generative import Generative
from etude.verifier.step_localisation import StepLocalisation
from etude.verifier.verdict.first_wrong_step import FirstWrongStep

JUDGE = Generative(
    verdict=FirstWrongStep(), prompt="{steps}", between=" ", shows_gold=False, audit=False
)


def answer(response: str, **more: bool) -> Candidate:
    return Candidate("s:1", 0, "?", response, {"answer": "2"}, **more)


def flaw(prompt: str) -> str:
    return "\\boxed{0}" if "bad" in prompt else "\\boxed{-1}" if "good" in prompt else "well"


def test_a_flaw_costs_and_words_without_a_verdict_do_not() -> None:
    host = Says(reply=flaw)
    judge = host.open(FlawedPositives(rule=Always(), process=JUDGE))
    found = judge.verify([answer("bad 2"), answer("good 2"), answer("so 2")])
    assert [each.outcome for each in found] == [Outcome.CORRECT] * 3
    assert [each.parts["accuracy"] for each in found] == [0.5, 1.0, 1.0]
    assert [each.parts.get("flawed") for each in found] == [1.0, 0.0, None]
    assert found[0].detail == "flawed: step 0 is wrong"
    rows = [RowRecord("s:1", i, "s", {}, 1, v.outcome, v.parts) for i, v in enumerate(found)]
    judge.observe(StepFeedback(0, 1, {}, rows=rows))
    assert judge.metrics() == {"flawed": 0.5, "unjudged": pytest.approx(1 / 3), "right": 1.0}


def test_wrong_answers_and_those_of_an_evaluation_are_not_judged() -> None:
    host = Says(reply=flaw)
    host.open(FlawedPositives(rule=Never(), process=JUDGE)).verify([answer("bad 2")])
    (found,) = host.open(FlawedPositives(rule=Always(), process=JUDGE)).verify(
        [answer("bad 2", evaluation=True)]
    )
    assert found.parts == {"accuracy": 1.0}
    assert not host.asked


def test_without_a_penalty_rewards_are_those_of_the_rule() -> None:
    free = FlawedPositives(rule=Always(), process=JUDGE, penalty=0.0)
    (found,) = Says(reply=flaw).open(free).verify([answer("bad 2")])
    assert found.parts["accuracy"] == 1.0
    assert found.parts["flawed"] == 1.0


@pytest.mark.parametrize(
    "columns", [{}, {"first_wrong": 4, "total_steps": 4}, {"first_wrong": None}]
)
def test_a_row_without_its_true_step_is_unreadable(columns: dict[str, int]) -> None:
    assert StepLocalisation().unreadable(columns) is not None
    (found,) = StepLocalisation().verdicts([replace(answer("\\boxed{1}"), columns=columns)])
    assert found.outcome is Outcome.REFUSED
