"""The scores of General Points: what an answer earns, however it is written."""

from __future__ import annotations

import itertools
import json
import pickle
import random
import time

import pytest

from etude.rows import Candidate, Outcome, StopReason
from etude.tasks.formula import NoValue, exact_value, tokens
from etude.tasks.points_solver import solutions
from etude.verifier.general_points import FAULTS, GeneralPoints

HAND = {"display_cards": [10, 2, 2, 1], "target": 24}


def judged(text: str, columns=None, **options):
    ended = options.pop("stop_reason", StopReason.STOP)
    candidate = Candidate("hand", 0, "", text, HAND if columns is None else columns, ended, 7)
    (verdict,) = GeneralPoints(**options).verdicts([candidate])
    return verdict


def stating(formula: str) -> str:
    return json.dumps({"cards": [], "number": [], "formula": formula})


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    "numbers", [(1, 2, 3, 4), (5, 5, 5, 1), (13, 9, 2, 7), (6, 6, 6, 6)], ids=str
)
def test_every_solution_scores_five_for_the_cards_in_any_order(numbers, exact):
    found = solutions(numbers, 24)
    assert found
    for number, formula in enumerate(found):
        columns = {"display_cards": list(numbers), "target": 24}
        parts = judged(stating(formula), columns, exact=exact).parts
        # In doubles some solutions miss the target, and are then neither right nor wrong.
        assert parts["score"] == 5 or (not exact and parts["score"] == 0 and "/" in formula)
        if number % 40 == 0:
            for order in itertools.permutations(numbers):
                columns = {"display_cards": list(order), "target": 24}
                assert judged(stating(formula), columns, exact=exact).parts == parts


@pytest.mark.parametrize("formula", ["10*2+2*1", "1+2+2+10", "2*2*10", "(10+2", "2**2", ""])
def test_the_order_of_the_cards_changes_no_score(formula):
    scores = {
        judged(stating(formula), {"display_cards": list(order), "target": 24}).parts["score"]
        for order in itertools.permutations([10, 2, 2, 1])
    }
    assert len(scores) == 1


@pytest.mark.parametrize(
    ("formula", "fault", "score"),
    [
        ("(10+2)*2*1", "", 5),
        ("10*2+2*1+0", "number", -2),
        ("10+2+2+1", "wrong", -1),
        ("10*2+2*", "number", -2),
        ("(10+2)*2*1*", "wrong", -1),
        ("1*(10+2", "number", -2),
        ("2*(2*1+10", "partial", 1),
        ("(2*(2*1+10", "wrong", -1),
        ("10/(2-2)+1", "wrong", -1),
        ("-10+2*2*1", "illegal", -3),
        ("10x2", "illegal", -3),
        ("10(2+2)*1", "illegal", -3),
        ("٣*10", "illegal", -3),
    ],
)
def test_an_answer_is_graded_by_the_first_fault_it_has(formula, fault, score):
    verdict = judged(stating(formula))
    assert verdict.parts["score"] == score
    assert {name for name in FAULTS if verdict.parts[name]} == ({fault} if fault else set())
    outcomes = {"": Outcome.CORRECT, "partial": Outcome.PARTIAL}
    assert verdict.outcome is outcomes.get(fault, Outcome.WRONG)
    assert bool(verdict.detail) == bool(fault)
    assert verdict.parts["accuracy"] == float(not fault)


def test_an_unfinished_formula_begins_nothing_where_no_solutions_are_looked_for():
    assert judged(stating("2*(2*1+10")).parts["score"] == 1
    assert judged(stating("2*(2*1+10"), solutions=False).parts["score"] == -1


def test_scores_are_what_the_config_says():
    options = {"correct": 1.0, "partial": 0.5, "wrong": 0.0, "number": -0.1, "illegal": -0.2}
    texts = ["(10+2)*2*1", "2*(2*1+10", "10+2+2+1", "10", "ten"]
    assert [judged(stating(text), **options).parts["score"] for text in texts] == [
        *options.values()
    ]


def test_validity_goes_by_the_values_that_the_prompt_announced():
    columns = {**HAND, "announced_cards": [5, 2, 2, 1]}
    assert judged(stating("(10+2)*2*1"), columns).parts["validity"] == 0
    ignored = judged(stating("5*2*2*1"), columns)
    assert (ignored.parts["validity"], ignored.parts["score"]) == (1, -2)
    assert judged(stating("(5*2*2*1"), columns).parts["validity"] == 1


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("", Outcome.NO_ANSWER),
        ("24", Outcome.NO_ANSWER),
        ("[1]", Outcome.NO_ANSWER),
        ('{"formula": null}', Outcome.NO_ANSWER),
        ('{"formula": {"a": 1}}', Outcome.NO_ANSWER),
        ('so {"formula": "(10+2)*2*1", ', Outcome.CORRECT),
        ('"formula": "(10+2)*2*1=24" or "formula": "10"', Outcome.CORRECT),
        ("```json\n" + stating("(10+2)*2*1") + "\n```", Outcome.CORRECT),
        ('"formula":"(10+2)*2*1"', Outcome.NO_ANSWER),
    ],
)
def test_the_formula_is_found_where_the_scorer_looks_for_it(text, outcome):
    assert judged(text).outcome is outcome


def test_an_answer_that_was_cut_off_has_no_format():
    assert judged(stating("(10+2)*2*1")).parts["format"] == 1
    assert judged(stating("(10+2)*2*1"), stop_reason=StopReason.LENGTH).parts["format"] == 0
    assert judged("none").parts["format"] == 0


def test_a_thought_before_the_answer_is_left_out_where_the_config_says_so():
    text = f"{stating('10')} </think> {stating('(10+2)*2*1')}"
    assert judged(text).parts["score"] == -2
    assert judged(text, after="</think>").parts["score"] == 5


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '{"formula": "' + "(" * 1_000_000 + '1"}',
        '{"formula": "' + "9" * 1_000_000 + '"}',
        '"formula": "' * 90_000,
        '"formula": "' + "1+" * 500_000,
        stating("(" * 5000 + "(10+2)*2*1" + ")" * 5000),
        "\ud800" * 1000,
    ],
    ids=["lists", "brackets", "digits", "keys", "sums", "nested", "half characters"],
)
def test_whatever_an_answer_is_it_is_judged_in_a_moment(text):
    began = time.perf_counter()
    verdict = judged(text)
    assert time.perf_counter() - began < 2
    assert not verdict.outcome.failed and "score" in verdict.parts


def test_random_texts_are_judged_and_what_is_legal_is_valued_as_python_does():
    draw = random.Random(5)
    for _ in range(3000):
        text = "".join(draw.choices("0123456789+-*/() ", k=draw.randint(0, 9)))
        assert not judged(stating(text)).outcome.failed
        found = tokens(text)
        if not found or any(token[0] == "0" != token for token in found):
            continue
        try:
            value = float(exact_value(found))
        except NoValue:
            with pytest.raises((SyntaxError, ZeroDivisionError)):
                eval("".join(found))
            continue
        assert value == pytest.approx(eval("".join(found)), rel=1e-9)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"display_cards": None, "target": 24}, "no list of numbers in the column display_cards"),
        ({"display_cards": [1, "K"], "target": 24}, "a card that is no whole number"),
        ({"display_cards": [], "target": 24}, "no list of numbers"),
        ({"display_cards": [1, 2], "target": "24"}, "no whole number in the column target: '24'"),
        ({"display_cards": [1, 2], "target": 2}, None),
    ],
)
def test_a_row_that_cannot_be_judged_is_told_before_any_answer(columns, told):
    problem = GeneralPoints().unreadable(columns)
    assert problem is None if told is None else told in (problem or "")


def test_it_is_sent_to_workers_by_pickling():
    assert pickle.loads(pickle.dumps(GeneralPoints(exact=False))) == GeneralPoints(exact=False)


def test_an_answer_that_takes_more_than_there_is_scores_as_no_formula_does():
    verdict = GeneralPoints().exhausted(Candidate("hand", 0, "", "x", HAND, length=9), "never ends")
    assert verdict.outcome is Outcome.WRONG and verdict.parts["score"] == -3
    assert set(verdict.parts) == set(judged(stating("10")).parts)
