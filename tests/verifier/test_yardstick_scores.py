"""What answers to Countdown and to texts read backwards earn, however they are written."""

from __future__ import annotations

import time

import pytest

from etude.rows import Candidate, Outcome, StopReason
from etude.sources.countdown import Countdown as Problems
from etude.sources.reverse_text import ReverseText as Texts
from etude.verifier.countdown import Countdown
from etude.verifier.reverse_text import ReverseText

NUMBERS = {"numbers": [8, 5, 3], "target": 37}


def judged(verifier, text: str, columns, stop_reason=StopReason.STOP):
    (verdict,) = verifier.verdicts([Candidate("row", 0, "", text, columns, stop_reason, 7)])
    return verdict


def test_every_generated_solution_is_right():
    for source, verifier in ((Problems(test_size=40), Countdown()), (Texts(), ReverseText())):
        rows = source.rows("test", 0)
        for row in map(rows.__getitem__, range(40)):
            verdict = judged(verifier, row["solution"], row)
            assert verdict.outcome is Outcome.CORRECT
            assert verdict.parts["accuracy"] == verdict.parts["format"] == 1


@pytest.mark.parametrize(
    ("said", "outcome", "validity", "form"),
    [
        ("<answer>8*5-3</answer>", Outcome.CORRECT, 1, 1),
        ("1+1 <answer> 5 * 8 - 3\n</answer>", Outcome.CORRECT, 1, 1),
        ("<answer>1</answer> no, <answer>(8)*5-3</answer>", Outcome.CORRECT, 1, 1),
        ("<answer>8*5-3</answer><answer>8+5-3</answer>", Outcome.WRONG, 1, 1),
        ("<answer>8*(5-3)</answer>", Outcome.WRONG, 1, 1),
        ("<answer>37</answer>", Outcome.WRONG, 0, 1),
        ("<answer>8*5-3-3+3</answer>", Outcome.WRONG, 0, 1),
        ("<answer>85-3</answer>", Outcome.WRONG, 0, 1),
        ("<answer>8*5-3=37</answer>", Outcome.WRONG, 0, 1),
        ("<answer>8/(5-5)-3</answer>", Outcome.WRONG, 0, 1),
        ("<answer>8 times 5 - 3</answer>", Outcome.WRONG, 0, 1),
        ("<answer>8**5-3</answer>", Outcome.WRONG, 0, 1),
        ("<answer></answer>", Outcome.NO_ANSWER, 0, 0),
        ("8*5-3", Outcome.NO_ANSWER, 0, 0),
    ],
)
def test_a_formula_earns_what_it_is(said, outcome, validity, form):
    verdict = judged(Countdown(), said, NUMBERS)
    assert verdict.outcome is outcome
    assert verdict.parts == {
        "accuracy": float(outcome is Outcome.CORRECT),
        "validity": validity,
        "format": form,
        "length": 7,
    }


def test_a_division_by_zero_is_wrong_and_a_formula_that_was_cut_has_no_format():
    division = judged(Countdown(), "<answer>8/(5-5)</answer>", {"numbers": [8, 5, 5], "target": 0})
    assert division.outcome is Outcome.WRONG
    assert "divides by zero" in (division.detail or "")
    cut = judged(Countdown(pattern=None), "8*5-3", NUMBERS, StopReason.LENGTH)
    assert (cut.outcome, cut.parts["format"]) == (Outcome.CORRECT, 0)


@pytest.mark.parametrize(
    "columns", [{"numbers": None, "target": 3}, {"numbers": [1.5], "target": 3}, {"numbers": [1]}]
)
def test_rows_of_countdown_that_cannot_be_read_are_refused(columns):
    assert judged(Countdown(), "<answer>1</answer>", columns).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("said", "outcome", "similarity"),
    [
        ("<reversed_text>\ncba fed\n</reversed_text>", Outcome.CORRECT, 1.0),
        (
            "<reversed_text>x</reversed_text><reversed_text>cba fed</reversed_text>",
            Outcome.CORRECT,
            1.0,
        ),
        ("<reversed_text>cba</reversed_text>", Outcome.PARTIAL, 0.6),
        ("<reversed_text>CBA FED</reversed_text>", Outcome.PARTIAL, 2 / 14),
        ("<reversed_text>xyz</reversed_text>", Outcome.WRONG, 0.0),
        ("cba fed", Outcome.NO_ANSWER, 0.0),
    ],
)
def test_a_text_earns_the_share_that_is_backwards(said, outcome, similarity):
    verdict = judged(ReverseText(), said, {"text": "def abc"})
    assert verdict.outcome is outcome
    assert verdict.parts["similarity"] == pytest.approx(similarity)
    assert verdict.parts["accuracy"] == float(similarity == 1)
    if verdict.outcome is Outcome.PARTIAL:
        assert verdict.credit == pytest.approx(similarity)


def test_letters_that_come_often_in_a_long_text_count_like_others():
    text = "abcde " * 60
    whole = judged(ReverseText(pattern=None), text[::-1].strip()[:-1], {"text": text})
    assert whole.parts["similarity"] > 0.99


def test_a_flood_is_judged_in_a_moment():
    began = time.process_time()
    for said in ("<reversed_text>" * 20_000, "ab " * 3_000):
        judged(ReverseText(pattern=None), said, {"text": "ab cd ef" * 5})
    judged(Countdown(), "<answer>" * 50_000, NUMBERS)
    assert time.process_time() - began < 3
