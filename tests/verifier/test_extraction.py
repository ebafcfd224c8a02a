"""Where the final answer of a response is found, and what announces none."""

from __future__ import annotations

import time

import pytest

from etude.rows import Candidate, Outcome
from etude.verifier.answers.guard import guard
from etude.verifier.extract import answer_part, boxes, last_box
from etude.verifier.math import Math
from etude.verifier.number import Number


@pytest.mark.parametrize(
    ("response", "place", "text"),
    [
        ("It is \\boxed{4}.\n\n#### Verification\nThe answer is 5", "box", "4"),
        ("\\boxed{} then \\boxed{4} and \\boxed{}", "box", "4"),
        ("\\fbox{a\\{b\\}}", "box", "a\\{b\\}"),
        ("so \\boxed 42.", "box", "42"),
        ("\\boxed\\frac12", "box", "\\frac12"),
        ("\\boxed{3} or \\boxed{4}", "box", "3, 4"),
        ("\\boxed{3}. No: \\boxed{4}", "box", "4"),
        ("<answer>7</answer> done", "tag", "7"),
        ("#### 42\n\n#### Verification\n6 * 7 = 42", "marker", "42"),
        ("The answer is 42. Is this answer helpful?", "marker", "42"),
        ("The answer is 5.\nVitamin A: 8 mg", "marker", "5"),
        ("7+8=15 3+4+1=8 A:85", "marker", "85"),
        ("**Final Answer:** 42", "marker", "42"),
        ("### Final Answer\n\n42", "marker", "42"),
        ("The answer is:\n\\[\n42\n\\]", "marker", "\\[ 42 \\]"),
        ("The answer is 3. The answer is 4.", "marker", "3, 4"),
        ("The answer to the second question is 12 apples. Bye", "marker", "12 apples"),
        ("The answer is not 5, I get 6", "text", "The answer is not 5, I get 6"),
        ("<think>\\boxed{42}</think> none", "text", " none"),
    ],
)
def test_where_the_answer_stands(response: str, place: str, text: str) -> None:
    found = Math().extract(response)
    assert found is not None
    if text.startswith("\\["):
        assert found.text.startswith("\\[ 42")
        return
    assert (found.place, found.text) == (place, text)


def test_the_policy_is_in_the_config() -> None:
    both = "The answer is 3, no: \\boxed{4}"
    assert Math(answer_in=("marker", "box")).extract(both).text.startswith("3")
    assert Math(require_box=True).extract("The answer is 3") is None
    assert Math(thinking=True).extract("<think>\\boxed{4}").text == "4"
    assert Math(pattern="= (.*)").extract("x = 3").text == "3"


def test_boxes_of_boxes_and_broken_ones() -> None:
    assert last_box("\\boxed{\\boxed{9}}") == (0, "\\boxed{9}")
    assert [content for _, _, content in boxes("\\boxed{1 \\boxed{2} }}{ \\boxed{3}")] == [
        "1 \\boxed{2} ",
        "3",
    ]
    assert answer_part("a</think>b<think>c") == "b"


@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "\\boxed{1},",
        "{",
        "A:",
        "answer is ",
        "answer is 5. ",
        "#### ",
        "<answer>",
        "\n",
    ],
)
def test_endless_responses_take_bounded_time(piece: str) -> None:
    response = piece * (2**18 // len(piece))
    for verifier in (Number(), Math()):
        began = time.process_time()
        (verdict,) = verifier.verdicts([Candidate("x", 0, "", response, {"answer": "5"})])
        assert verdict.outcome in (Outcome.WRONG, Outcome.NO_ANSWER, Outcome.CORRECT)
        assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("extraction", "gold", "why"),
    [
        (None, "42", "no answer"),
        (" ", "42", "no answer"),
        ("9" * 300, "42", "characters"),
        ("4\u200b3", "42", "cannot be seen"),
        ("[]", "(1,2)", "punctuation"),
        ("(1,2", "(1,2)", "brackets"),
        ("ab" * 9, "x", "repeats"),
        ("43", "42", "numbers"),
        ("41, 42", "x^2", "2 answers"),
        ("\\pm 2", "x", "2 answers"),
        ("\\text{see above}", "\\frac{x}{2}", "words"),
        ("x^2", "x^2+1", None),
        ("even", "odd", None),
    ],
)
def test_guards_say_why_a_model_is_not_asked(extraction: str | None, gold: str, why: str) -> None:
    said = guard(extraction, gold)
    assert said is None if why is None else why in str(said)
