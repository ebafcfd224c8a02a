"""What is asked in each way, and what the answers come to, worked out by hand."""

from __future__ import annotations

import pytest
from asked_view import AskedView

from etude.errors import DataError
from etude.evaluation.dissection import Dissection
from etude.rows import Example, Message, Outcome, Verdict


def problem(name, level=None, **columns):
    columns = {"prompt": f"ask {name}", "answer": "0", "level": level, **columns}
    return Example(name, "s", f"Q: ask {name}\nA:", columns=columns)


#: What is answered right: name of what was asked → which tries.
RIGHT = {
    "a": [1, 0],
    "a#plan": [1, 1],
    "a#knowledge": [0, 0],
    "a#part0": [1, 0],
    "a#part1": [0, 1],
    "b": [0, 0],
    "b#part0": [1, 1],
    "c#plan": [0, 1],
}


def verdict(asked, index):
    if asked.id == "c":
        return Verdict(Outcome.CRASHED, {})
    right = RIGHT.get(asked.id, [0, 0])[index]
    return Verdict(Outcome.CORRECT if right else Outcome.WRONG, {"accuracy": float(right)})


ROWS = [
    problem("a", 1, plan="first, then", knowledge="facts", subproblems=[["p?", 1], ["q?", 2]]),
    problem("b", 2, subproblems=[{"question": "r?", "answer": "3"}]),
    problem("c", 2, plan="go", knowledge=" "),
]


def measured(rows, view_of=AskedView, **options):
    view = view_of(rows, verdict)
    result = Dissection(samples=2, bootstrap=50, **options).measure(view)
    metrics = result.evaluation["metrics"]
    return {name: entry["value"] for name, entry in metrics.items()}, result, view


def test_each_way_is_told_of_the_problems_that_have_it():
    found, result, _ = measured(ROWS)
    whole = {name: value for name, value in found.items() if "/" not in name}
    assert whole == {
        "accuracy": pytest.approx((0.5 + 0) / 2),  # c was not judged
        "plan": pytest.approx((1 + 0.5) / 2),
        "plan_change": pytest.approx(1 - 0.5),  # of a alone
        "knowledge": 0,
        "knowledge_change": -0.5,
        "subproblems": pytest.approx((0.5 + 1) / 2),
        "all_subproblems": pytest.approx((0.25 + 1) / 2),
        "parts_alone": pytest.approx((0.25 * 0.5 + 1 * 1) / 2),
        "whole_alone": pytest.approx((0.75 * 0.5 + 0) / 2),
    }
    assert whole.keys() == Dissection().metric_ranges(False).keys()
    assert found["accuracy/level_1"] == 0.5 and found["accuracy/level_2"] == 0
    assert found["plan/level_2"] == 0.5 and "plan_change/level_2" not in found
    ways = {(each["problem"], each["way"], each.get("level")) for each in result.samples}
    assert ("a", "plan", 1) in ways and ("b", "subproblems", 2) in ways
    assert ("b", "plan", 2) not in ways
    assert len({(each["id"], each["index"]) for each in result.samples}) == len(result.samples)


def test_what_is_asked_stands_where_the_problem_stood():
    _, _, view = measured(ROWS, plan_template="{prompt} by {plan}")
    asked = {each.id: each for each in view.asked}
    assert asked["a#plan"].prompt == "Q: ask a by first, then\nA:"
    part = asked["a#part1"]
    assert part.prompt == "Q: ask a\n\np? 1\nAnswer this part alone: q?\nA:"
    assert part.columns["answer"] == "2" and part.columns["subproblem"] == 1
    for earlier, shown in (("questions", "p?\n"), ("nothing", "")):
        _, _, view = measured(ROWS, earlier=earlier)
        asked = {each.id: each for each in view.asked}
        assert asked["a#part1"].prompt == f"Q: ask a\n\n{shown}Answer this part alone: q?\nA:"


def test_a_conversation_is_asked_in_its_last_message():
    talk = (Message("user", "hello"), Message("assistant", "yes"), Message("user", "ask a"))
    row = problem("a", plan="so")
    view = AskedView([Example("a", "s", "ask a", columns=row.columns, messages=talk)], verdict)
    only = Dissection(samples=2, bootstrap=0, knowledge=False, subproblems=False)
    only.measure(view)
    said = [each.content for each in view.asked[-1].messages]
    assert said == ["hello", "yes", "ask a\n\nFollow this plan:\nso"]


def test_what_is_too_long_is_left_out_whole():
    rows = [*ROWS[:1], problem("b", subproblems=[["r?", 3], ["long " * 40, 4]])]
    found, result, _ = measured(rows, lambda *given: AskedView(*given, longest=150))
    assert result.evaluation["left_out"] == {
        "alone": 0,
        "plan": 0,
        "knowledge": 0,
        "subproblems": 2,
    }
    assert found["subproblems"] == 0.5


def test_a_column_that_no_row_has_is_named():
    with pytest.raises(DataError, match=r"column plan.*evaluation.plan=false"):
        measured([problem("a", knowledge="x")])
    for given in ("p?", [["p?"]], [{"question": "p?"}]):
        with pytest.raises(DataError, match="column subproblems"):
            measured([problem("a", subproblems=given)], plan=False, knowledge=False)
