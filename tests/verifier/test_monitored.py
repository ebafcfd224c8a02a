"""A verifier that pays and one that is believed: when the alarm goes off, and when it does not."""

from __future__ import annotations

import pytest
from always import Always, Never

from etude.feedback import RowRecord, StepFeedback
from etude.rows import Candidate, Outcome
from etude.verifier.host import Alone
from etude.verifier.monitored import Monitored, Watching
from etude.view.watch import Watch

CONFIG = Monitored(rule=Always(), oracle=Never(), share=1.0, first=2, patience=2, decay=0.5)


def step(judge: Watching, paid: float, oracle: float) -> dict[str, float]:
    parts = {"accuracy": paid, "oracle": oracle}
    rows = [RowRecord("s:1", i, "s", {}, 1, Outcome.CORRECT, parts) for i in range(4)]
    judge.observe(StepFeedback(0, 1, {}, rows=rows))
    return judge.metrics()


def test_a_share_of_training_rows_is_seen_by_the_oracle_and_measurements_are_its_own() -> None:
    rows = [Candidate(f"s:{i}", 0, "?", "", {}, seed=i) for i in range(400)]
    measured = [Candidate("s:1", 0, "?", "", {}, evaluation=True)]
    host = Alone()
    config = Monitored(rule=Always(), oracle=Never(), share=0.25)
    judge = host.open(config)
    found = judge.verify([*rows, *measured])
    seen = [each for each in found if "oracle" in each.parts]
    assert 70 < len(seen) < 130
    assert all(each.parts == {"accuracy": 1.0, "oracle": 0.0} for each in seen)
    assert found[-1].outcome is Outcome.WRONG
    assert "s:1" in host.open(config.oracle).asked
    assert len(host.open(config.rule).asked) == 400


def test_the_alarm_goes_off_when_they_separate_for_some_steps_and_stays_on() -> None:
    judge = Alone().open(CONFIG)
    for _ in range(4):  # more generous from the start: no alarm
        assert step(judge, 0.8, 0.4)["alarm"] == 0
    assert step(judge, 1.0, 0.1)["separation"] == pytest.approx(0.25)
    assert judge.metrics()["alarm"] == 0  # once is not enough
    again = Alone().open(CONFIG)
    again.load_state_dict(judge.state_dict())
    for each in (judge, again):
        found = step(each, 1.0, 0.1)
        assert found["alarm"] == 1
    assert step(judge, 0.4, 0.4)["alarm"] == 1
    assert judge.metrics() == step(again, 0.4, 0.4)
    (told,) = Watch("rl").look(7, {f"verifier/{key}": value for key, value in found.items()})
    assert "rl, step 8: the verifier that rewards and the oracle have separated by 0.38" in told
    assert "paid 1.00, right 0.10" in told


def test_a_single_step_apart_is_no_alarm() -> None:
    judge = Alone().open(CONFIG)
    for paid in (0.4, 0.4, 0.9, 0.4, 0.4, 0.9, 0.4, 0.4):
        assert step(judge, paid, 0.4)["alarm"] == 0
