"""Verifiers one after the other: who is asked about what, and what that comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from always import Always, Never
from judging_models import Says

from etude.errors import VerifierError
from etude.feedback import RowRecord, StepFeedback
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.cascade import Cascade, Cascading
from etude.verifier.declared import parts_of
from etude.verifier.generative import Generative
from etude.verifier.host import Alone
from etude.verifier.verdict.phrase import Phrase

JUDGE = Generative(verdict=Phrase(), audit=False)
TWO = Cascade(steps={"rule": Never(), "model": Always()}, order=["rule", "model"])


def rows(*answers: str, evaluation: bool = False) -> list[Candidate]:
    return [
        Candidate(
            f"s:{i}", 0, "?", f"\\boxed{{{text}}}", {"answer": "x+1"}, seed=i, evaluation=evaluation
        )
        for i, text in enumerate(answers)
    ]


def told(judge: Cascading, candidates: Sequence[Candidate], verdicts: Sequence[Verdict]) -> None:
    records = [
        RowRecord(each.id, 0, "s", {}, 1, verdict.outcome, verdict.parts)
        for each, verdict in zip(candidates, verdicts, strict=True)
    ]
    judge.observe(StepFeedback(0, 1, {}, rows=records))


def test_a_model_is_asked_about_what_a_rule_rejects_and_guards_let_through() -> None:
    host = Alone()
    judge = host.open(TWO)
    asked = rows("1+x", "see above", "y, z")
    found = judge.verify(asked)
    assert [each.outcome for each in found] == [Outcome.CORRECT, Outcome.WRONG, Outcome.WRONG]
    assert host.open(TWO.steps["model"]).asked == ["s:0"]
    assert found[0].parts["said_by_rule"] == 0
    assert found[0].parts["said_by_model"] == found[0].parts["accuracy"] == 1
    assert found[1].parts["guarded"] == 1
    assert "said_by_model" not in found[1].parts
    told(judge, asked, found)
    assert judge.metrics() == {
        "rule/share": 1.0,
        "rule/accepted": 0.0,
        "model/share": 1 / 3,
        "model/accepted": 1.0,
        "model/disagreement": 1.0,
        "guarded": 2 / 3,
    }
    steps = {f"{what}_{name}" for what in ("said_by", "tokens_of") for name in TWO.order}
    assert set(parts_of(TWO) or ()) == {"accuracy", "guarded", *steps}


def test_what_the_rule_accepts_nobody_else_is_asked_about_but_to_check() -> None:
    for check in (0.0, 1.0):
        accepting = replace(TWO, steps={"rule": Always(), "model": Never()}, check=check)
        host = Alone()
        judge = host.open(accepting)
        asked = rows("1+x", "x+1")
        found = judge.verify(asked)
        assert all(each.outcome is Outcome.CORRECT for each in found)
        assert len(host.open(accepting.steps["model"]).asked) == 2 * check
        told(judge, asked, found)
        assert judge.metrics()["model/disagreement"] == check
        assert not check or judge.verify(rows("x", evaluation=True))[0].parts == {
            "accuracy": 1.0,
            "said_by_rule": 1.0,
        }


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        (Outcome.TIMED_OUT, Outcome.TIMED_OUT),
        (Outcome.REFUSED, Outcome.CORRECT),
        (Outcome.CRASHED, Outcome.CORRECT),
        (Outcome.NO_ANSWER, Outcome.CORRECT),
    ],
)
def test_what_a_rule_cannot_decide_goes_on_unless_it_ran_out_of_time(
    rule: Outcome, outcome: Outcome
) -> None:
    steps = {"rule": Never(rule), "model": Always()}
    (found,) = Alone().open(replace(TWO, steps=steps)).verify(rows("1+x"))
    assert found.outcome is outcome
    (evenly,) = Alone().open(replace(TWO, steps=steps, combine="mean")).verify(rows("1+x"))
    assert evenly.outcome is outcome


def test_what_a_model_writes_is_the_cost_of_its_step() -> None:
    host = Says(reply=lambda _: "Final Decision: Yes")
    asked = rows("1+x", "see above")
    judge = host.open(replace(TWO, steps={"rule": Never(), "model": JUDGE}))
    found = judge.verify(asked)
    assert found[0].parts["tokens_of_model"] == len("Final Decision: Yes")
    told(judge, asked, found)
    assert judge.metrics()["model/tokens"] == len("Final Decision: Yes") / 2


def test_a_model_that_fails_leaves_the_verdict_of_the_rule() -> None:
    steps = {"rule": Never(), "model": Never(Outcome.CRASHED)}
    (found,) = Alone().open(replace(TWO, steps=steps)).verify(rows("1+x"))
    assert found.outcome is Outcome.WRONG
    assert "said_by_model" not in found.parts


def test_an_acceptance_may_count_less_and_all_may_be_asked() -> None:
    (less,) = Alone().open(replace(TWO, weights={"model": 0.5})).verify(rows("1+x"))
    assert less.outcome is Outcome.CORRECT
    assert less.parts["accuracy"] == 0.5
    shares = {"rule": 0.25, "model": 0.75}
    (mean,) = Alone().open(replace(TWO, weights=shares, combine="mean")).verify(rows("1+x"))
    assert mean.parts["accuracy"] == 0.75
    steps = {"rule": Always(), "model": Never()}
    mixed = replace(TWO, steps=steps, weights=shares, combine="mean")
    (mean,) = Alone().open(mixed).verify(rows("1+x"))
    assert mean.parts["accuracy"] == 0.25


def test_a_budget_bounds_the_share_that_is_asked_and_is_kept_with_the_state() -> None:
    config = replace(TWO, budgets={"model": 0.25})
    host = Alone()
    judge = host.open(config)
    asked = rows(*["1+x"] * 400)
    first = judge.verify(asked)
    assert all("said_by_model" in each.parts for each in first)
    told(judge, asked, first)
    second = judge.verify(asked)
    share = sum("said_by_model" in each.parts for each in second) / 400
    assert 0.18 < share < 0.32
    assert all(each.parts["over_budget"] == 1 - ("said_by_model" in each.parts) for each in second)
    other = Alone().open(config)
    other.load_state_dict(judge.state_dict())
    assert other.verify(asked) == second
    measured = judge.verify(rows(*["1+x"] * 20, evaluation=True))
    assert all(each.outcome is Outcome.CORRECT for each in measured)


def test_an_order_of_other_steps_is_refused() -> None:
    for wrong in (replace(TWO, order=["rule", "judge"]), replace(TWO, budgets={"judge": 0.5})):
        with pytest.raises(VerifierError, match="the steps are"):
            Alone().open(wrong)


def test_what_an_answer_spends_in_one_step_no_other_is_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Alone()
    judge = host.open(TWO)
    rule, model = host.open(TWO.steps["rule"]), host.open(TWO.steps["model"])
    spent = Verdict(Outcome.WRONG, {"accuracy": 0.0}, detail="it explodes", exhausted=True)
    monkeypatch.setattr(rule, "judge", lambda candidates: [spent] * len(candidates))
    (found,) = judge.verify(rows("1+x"))
    assert not model.asked
    assert found.outcome is Outcome.WRONG
    assert found.exhausted
