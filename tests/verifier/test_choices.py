"""Graded answers to questions with several right choices."""

from __future__ import annotations

import pickle

import pytest

from etude.rows import Candidate, Outcome
from etude.verifier.choices import Choices


def judged(response: str, answer: str, **options):  # type: ignore[no-untyped-def]
    return Choices(**options).judge(Candidate("id", 0, "", response, {"answer": answer}))


@pytest.mark.parametrize(
    ("given", "right", "graded"),
    [
        ("A,C", "A,C", 1.0),
        ("C, A", "A,C", 1.0),
        ("A", "A,C", 0.5),
        ("A,A", "A,B", 0.5),
        ("A,B", "A,C", 0.0),
        ("A,B,C", "A,B", 0.0),
        ("a", "A", 0.0),
        ("A,", "A", 0.0),
        ("", "A", 0.0),
        ("B", "A,B,C", 1 / 3),
    ],
)
def test_a_part_of_the_right_choices_earns_a_part(given: str, right: str, graded: float) -> None:
    verdict = judged(f"<think>hm</think>\n<answer> {given} </answer>", right)
    assert verdict.parts["choices"] == pytest.approx(graded)
    assert verdict.parts["accuracy"] == float(graded == 1.0)
    expected = Outcome.CORRECT if graded == 1.0 else Outcome.WRONG if given else Outcome.NO_ANSWER
    assert verdict.outcome is expected


@pytest.mark.parametrize(
    ("response", "formatted"),
    [
        ("<think>a</think><answer>A</answer>", 1.0),
        ("<think>a\nb</think>\n\n<answer>A\n</answer>\n", 1.0),
        ("<think></think><answer></answer>", 1.0),
        ("<answer>A</answer><think>a</think>", 0.0),
        ("so <think>a</think><answer>A</answer>", 0.0),
        ("<think>a</think><answer>A</answer>!", 0.0),
        ("<think>a<think>b</think><answer>A</answer>", 0.0),
        ("<think>a</think><answer>A<answer>B</answer>", 0.0),
        ("<think>a</think>A", 0.0),
    ],
)
def test_the_format_is_a_thought_and_an_answer_once_each(response: str, formatted: float) -> None:
    assert judged(response, "A").parts["format"] == formatted


def test_without_tags_there_is_no_answer_unless_the_pattern_is_lifted() -> None:
    assert judged("A,C", "A,C").outcome is Outcome.NO_ANSWER
    assert judged("A,C", "A,C", pattern=None).outcome is Outcome.CORRECT
    assert judged("The answer is A,C", "A,C", pattern=None).parts["choices"] == 1.0
    assert judged("<answer>A</answer> no: <answer>B</answer>", "B").parts["accuracy"] == 1.0


def test_case_can_be_ignored() -> None:
    assert judged("<answer>a,c</answer>", "A,C", case=False).outcome is Outcome.CORRECT


def test_a_row_without_right_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="names no option"):
        judged("<answer>A</answer>", " ")


def test_it_can_be_sent_to_a_worker() -> None:
    verifier = pickle.loads(pickle.dumps(Choices()))
    assert verifier.judge(Candidate("id", 0, "", "<answer>A</answer>", {"answer": "A"})).parts[
        "accuracy"
    ]
