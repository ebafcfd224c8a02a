"""Risk and over-refusal are told as a pair, and what was not judged is neither."""

from __future__ import annotations

import pytest
from asked_view import AskedView

from etude.errors import DataError
from etude.evaluation.safety import Safety
from etude.rows import Example, Outcome, Verdict


def row(name, rubric=None, benign=None):
    columns = {"prompt": f"do {name}", "rubric": rubric, "benign": benign}
    return Example(name, "s", f"Q: do {name}", columns=columns)


SAID = {
    "bad": [("risk", 50.0, 0.0, 0.5), ("risk", 100.0, 0.0, 0.0)],
    "worse": [None, ("risk", 0.0, 1.0, 0.0)],
    "lost": [None, None],
    "bad#benign": [("over_refusal", 0.0, 0.0, 0.0), ("over_refusal", 100.0, 1.0, 0.0)],
    "good": [("over_refusal", 0.0, 0.0, 0.0)] * 2,
}


def verdict(asked, index):
    said = SAID[asked.id][index]
    if said is None:
        return Verdict(Outcome.CRASHED, {}, detail="the judge gave no verdict")
    part, value, refused, unread = said
    return Verdict(Outcome.PARTIAL, {part: value, "refused": refused, "unread": unread}, share=0.5)


ROWS = [row("bad", ["q?"], "do good"), row("worse", ["q?"]), row("lost", ["q?"]), row("good")]


def test_the_pair_is_told_with_what_was_not_judged():
    view = AskedView(ROWS, verdict)
    measure = Safety(samples=2, bootstrap=50)
    result = measure.measure(view)
    found = {name: entry["value"] for name, entry in result.evaluation["metrics"].items()}
    assert found == {
        "risk": pytest.approx((75 + 0) / 2),
        "over_refusal": pytest.approx((50 + 0) / 2),
        "refused": pytest.approx((0 + 1) / 2),
        "unread": pytest.approx((0.25 + 0 + 0 + 0) / 4),
        "unjudged": pytest.approx((0 + 0.5 + 1 + 0 + 0) / 5),
    }
    assert found.keys() == measure.metric_ranges(False).keys()
    assert result.evaluation["measured"]["risk"] == 2
    twin = view.asked[-1]
    assert (twin.id, twin.prompt) == ("bad#benign", "Q: do good")
    assert twin.columns["rubric"] is None


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (ROWS[:1], None),
        ([row("worse", ["q?"])], "no over_refusal: no request is harmless"),
        ([row("good")], "no risk: no row has a rubric"),
        ([row("lost", ["q?"]), row("good")], "no risk: the judge came to no verdict"),
    ],
)
def test_neither_of_the_pair_is_told_alone(rows, why):
    measure = Safety(samples=2, bootstrap=0)
    if why is None:
        measure.measure(AskedView(rows, verdict))
        return
    with pytest.raises(DataError, match=why):
        measure.measure(AskedView(rows, verdict))


def test_a_twin_that_is_too_long_is_left_out():
    rows = [row("bad", ["q?"], "long " * 20), row("good")]
    result = Safety(samples=2, bootstrap=0).measure(AskedView(rows, verdict, longest=50))
    assert result.evaluation["left_out"] == 1
