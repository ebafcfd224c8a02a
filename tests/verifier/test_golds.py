"""Right answers that cannot be read leave their rows out; several right answers are each right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from etude.component import component
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.choices import Choices
from etude.verifier.code import Code
from etude.verifier.exact import Exact
from etude.verifier.interface import Verifier
from etude.verifier.math import Math
from etude.verifier.number import Number


def candidate(response, gold):
    return Candidate("a", 0, "", response, {"answer": gold})


@pytest.mark.parametrize(
    ("verifier", "gold", "problem"),
    [
        (Exact(), None, "is null"),
        (Number(), None, "is null"),
        (Math(), None, "is null"),
        (Choices(), None, "is null"),
        (Exact(), " . ", "holds nothing that counts"),
        (Number(), "two", "holds no number"),
        (Number(), ["2", "two"], "holds no number"),
        (Math(), "$ $", "is empty"),
        (Math(), r"\frac{1}{2", "braces do not close"),
        (Choices(), "A,,B", "names no options"),
        (Exact(), [], "is"),
    ],
)
def test_a_right_answer_that_cannot_be_read_is_no_wrong_answer(verifier, gold, problem):
    assert problem in verifier.unreadable({"answer": gold})
    with verifier.open() as judge:
        verdict = judge.verify([candidate("Answer: None", gold)])[0]
    assert verdict.outcome is Outcome.REFUSED
    assert not verdict.parts
    assert verdict.detail.startswith("row a cannot be judged: its answer ")
    assert problem in verdict.detail


@pytest.mark.parametrize(
    ("verifier", "gold"),
    [
        (Exact(), "Paris"),
        (Number(), "$1,234.50"),
        (Math(), r"\left\{1, 2\right\}"),
        (Math(), r"\text{Evelyn}"),
        (Choices(), "A, C"),
    ],
)
def test_ordinary_right_answers_are_readable(verifier, gold):
    assert verifier.unreadable({"answer": gold}) is None


def test_of_several_right_answers_any_will_do():
    golds = ["New York", "NYC"]
    said = ("Answer: nyc", "Answer: New York", "Answer: Paris", "")
    outcomes = [Exact().verdicts([candidate(text, golds)])[0].outcome for text in said]
    assert outcomes == [Outcome.CORRECT, Outcome.CORRECT, Outcome.WRONG, Outcome.NO_ANSWER]


@component(group="verifier", name="one that reads another column", requires=["column:final"])
@dataclass(frozen=True)
class Final(Verifier):
    """Compares the end of a response with the column final."""

    gold: ClassVar[str] = "final"

    def judge(self, candidate: Candidate) -> Verdict:
        right = candidate.response.endswith(candidate.columns["final"])
        return Verdict(Outcome.CORRECT if right else Outcome.WRONG, {"accuracy": float(right)})


def test_a_row_is_refused_by_the_name_of_the_column_that_cannot_be_read():
    (found,) = Final().verdicts([Candidate("a", 0, "", "x", {"final": None, "answer": "x"})])
    assert found.outcome is Outcome.REFUSED
    assert found.detail == "row a cannot be judged: its final is null"


@pytest.mark.parametrize(
    ("golds", "outcome"), [(["x", "y"], Outcome.CORRECT), (["x", "z"], Outcome.WRONG)]
)
def test_several_right_answers_stand_in_the_column_that_is_compared(golds, outcome):
    columns = {"final": golds, "answer": ["never", "read"]}
    (found,) = Final().verdicts([Candidate("a", 0, "", "an y", columns)])
    assert found.outcome is outcome


def test_a_list_that_is_not_compared_with_is_judged_once(monkeypatch):
    asked = []

    def judge(self, candidate):
        asked.append(candidate.columns)
        return Verdict(Outcome.WRONG, {"accuracy": 0.0})

    monkeypatch.setattr(Code, "judge", judge)
    columns = {"tests": ["assert f(1) == 2", "assert f(2) == 3"], "answer": ["one", "other"]}
    Code().verdicts([Candidate("a", 0, "", "", columns)])
    assert asked == [columns]
