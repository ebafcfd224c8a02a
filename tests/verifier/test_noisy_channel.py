"""A verifier that errs: what is corrected, what appeals show, and where the correction is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from always import Always, Never

from etude.config.prepare import prepare
from etude.errors import ConfigError, VerifierError
from etude.feedback import RowRecord, StepFeedback
from etude.plan.graph import build_graph
from etude.rows import Candidate, Outcome, Verdict
from etude.verifier.declared import parts_of
from etude.verifier.host import Alone
from etude.verifier.noisy_channel import NoisyChannel
from etude.verifying.answers import Answer
from etude.verifying.table import Table

COMMAND = ("recipe=rl", "verifier=noisy_channel")
APPEALS = NoisyChannel(rule=Never(), appeal=Always(), appeals="estimate_only", correction="forward")


def rows(count: int = 4, source: str = "s", **more: bool) -> list[Candidate]:
    return [Candidate(f"{source}:{i}", 0, "?", "", {}, seed=i, **more) for i in range(count)]


def told(judge, verdicts: list[Verdict], source: str = "s") -> None:
    records = [
        RowRecord(f"{source}:{i}", 0, source, {}, 1, verdict.outcome, verdict.parts)
        for i, verdict in enumerate(verdicts)
    ]
    judge.observe(StepFeedback(0, 1, {}, rows=records))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("objective=grpo",), "dividing by how much rewards differ takes it back"),
        (("objective=dr_grpo", "verifier.correction=forward"), "advantage=reinforce"),
        (("objective=rloo", "verifier.correction=forward"), "take no baseline"),
        (
            (
                "objective=reinforce",
                "verifier.correction=forward",
                "objective.advantage.baseline=1",
            ),
            "objective.advantage.baseline == 0  gives it",
        ),
        (("objective=dr_grpo", "verifier.false_negative=0.9"), "together 1 or more"),
        (("objective=dr_grpo", "verifier.appeals=overturn"), "nobody hears appeals"),
    ],
)
def test_what_loses_the_correction_is_refused_when_it_is_composed(
    more: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        prepare([*COMMAND, *more])


@pytest.mark.parametrize(
    "more",
    [
        ("objective=dr_grpo",),
        ("objective=grpo", "objective.advantage.scale=none"),
        ("objective=rloo",),
        ("objective=reinforce", "verifier.correction=forward"),
        ("objective=grpo", "verifier.correction=none"),
    ],
)
def test_what_keeps_the_correction_is_composed(more: tuple[str, ...]) -> None:
    prepare([*COMMAND, *more])


def test_without_errors_backward_is_the_reward_itself() -> None:
    clean = NoisyChannel(rule=Always(), false_positive=0.0, false_negative=0.0)
    (found,) = Alone().open(clean).verify(rows(1))
    assert found.parts == {"accuracy": 1.0, "observed": 1.0}


def test_measurements_and_failures_are_those_of_the_verifier() -> None:
    channel = NoisyChannel(rule=Always(), false_positive=0.2, false_negative=0.3)
    (measured,) = Alone().open(channel).verify(rows(1, evaluation=True))
    assert measured.parts == {"accuracy": 1.0}
    failing = replace(channel, rule=Never(Outcome.CRASHED))
    (failed,) = Alone().open(failing).verify(rows(1))
    assert failed == Verdict(Outcome.CRASHED, {})


def test_sources_may_have_rates_of_their_own() -> None:
    channel = NoisyChannel(
        rule=Always(),
        false_positive=0.0,
        false_negative=0.0,
        false_negative_of={"t": 0.5},
    )
    judge = Alone().open(channel)
    assert judge.verify(rows(1, "s"))[0].parts["accuracy"] == 1.0
    assert judge.verify(rows(1, "t"))[0].parts["accuracy"] == 2.0
    with pytest.raises(VerifierError, match="the rows of t"):
        Alone().open(replace(channel, false_positive=0.5))


def test_rates_of_a_source_that_there_is_not_are_refused() -> None:
    host = Alone()
    host.sources = {"s": None}  # type: ignore[attr-defined]
    with pytest.raises(VerifierError, match="rows of 't', and the sources are s"):
        host.open(NoisyChannel(rule=Always(), false_negative_of={"t": 0.5}))


def test_appeals_estimate_from_the_next_step_on_and_travel_with_the_state() -> None:
    judge = Alone().open(replace(APPEALS, rule=Never(), prior_positives=4.0))
    first = judge.verify(rows())
    assert [each.parts["accuracy"] for each in first] == pytest.approx([-0.8] * 4)
    assert [each.parts["overturned"] for each in first] == [1.0] * 4
    assert all(each.outcome is Outcome.WRONG for each in first)
    told(judge, first)
    second = judge.verify(rows())
    assert [each.parts["accuracy"] for each in second] == pytest.approx([-0.5] * 4)
    again = Alone().open(judge.config)
    again.load_state_dict(judge.state_dict())
    assert again.verify(rows()) == second
    assert again.metrics() == judge.metrics()
    assert judge.metrics()["false_negative"] == 0.5


def test_what_appeals_overturn_counts_as_right() -> None:
    judge = Alone().open(replace(APPEALS, appeals="overturn"))
    (found,) = judge.verify(rows(1))
    assert found.outcome is Outcome.CORRECT
    assert found.parts["observed"] == 0.0
    assert found.parts["accuracy"] == pytest.approx(0.2)
    told(judge, [found])
    assert judge.rates("s")[1] == 0.0  # all were heard: none is left


def test_a_share_of_the_rejections_is_heard_by_their_seeds() -> None:
    judge = Alone().open(replace(APPEALS, audited=0.25))
    found = judge.verify(rows(400))
    heard = ["overturned" in each.parts for each in found]
    assert 70 < sum(heard) < 130
    assert ["overturned" in each.parts for each in judge.verify(rows(400)[:50])] == heard[:50]


def test_a_step_without_acceptance_or_overturned_appeal_leaves_the_estimate() -> None:
    judge = Alone().open(replace(APPEALS, appeal=Never()))
    told(judge, judge.verify(rows()))
    assert judge.rates("s")[1] == judge.config.false_negative


def test_sources_are_estimated_apart_where_that_is_asked() -> None:
    judge = Alone().open(replace(APPEALS, by_source=True, prior_positives=1.0))
    told(judge, judge.verify(rows(1, "t")), "t")
    assert judge.rates("t")[1] == pytest.approx(0.5)
    assert judge.rates("s")[1] == judge.config.false_negative


def test_it_declares_what_it_gives() -> None:
    assert parts_of(NoisyChannel(rule=Always())) == ("accuracy", "observed")
    assert parts_of(APPEALS) == ("accuracy", "observed", "overturned")


def test_an_answer_that_explodes_has_no_appeal(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Alone()
    judge = host.open(APPEALS)
    rule, appeal = host.open(APPEALS.rule), host.open(APPEALS.appeal)
    spent = Verdict(Outcome.WRONG, {"accuracy": 0.0}, exhausted=True)
    monkeypatch.setattr(rule, "judge", lambda candidates: [spent] * len(candidates))
    (found,) = judge.verify(rows(1))
    assert not appeal.asked
    assert "overturned" not in found.parts


# Measured rates -----------------------------------------------------------------------------


def written(folder: Path, wrongly: int = 1, missed: int = 2, label: str | None = "ok") -> Path:
    """Write what `etude verify` says of ten right and ten wrong answers, and of some wrongly."""
    judged = [
        (Answer(n, row, label=n < 10), Verdict(Outcome.CORRECT if accepts else Outcome.WRONG, {}))
        for n, row in enumerate(rows(20))
        for accepts in [n >= missed if n < 10 else n - 10 < wrongly]
    ]
    file = folder / "rates.json"
    file.write_text(json.dumps(Table(judged, label).as_json()))
    return file


def test_measured_rates_take_the_place_of_typed_ones(tmp_path: Path) -> None:
    measured = NoisyChannel(rule=Always(), rates_file=str(written(tmp_path)))
    typed = NoisyChannel(rule=Always(), false_positive=0.1, false_negative=0.2)
    assert measured.rates("s") == typed.rates("s")
    assert Alone().open(measured).verify(rows()) == Alone().open(typed).verify(rows())
    own = replace(measured, false_negative_of={"t": 0.5})
    assert own.rates("t") == (0.1, 0.5)
    written(tmp_path, wrongly=6, missed=6)
    with pytest.raises(VerifierError, match="together 1 or more"):
        Alone().open(replace(measured))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is no JSON"),
        ("[]", "is not what etude verify --json writes"),
        ({"label": None}, "was written without labels"),
        ({"wrongly": 0, "missed": 10, "right": True}, "labelled wrong"),
        ({"wrongly": 6, "missed": 6}, "together 1 or more"),
        ('{"table": {"rates": {"false_positive": {"share": 2}}}}', "no share from 0 to 1"),
    ],
)
def test_a_file_without_rates_is_refused_when_it_is_composed(
    tmp_path: Path, content: Any, said: str
) -> None:
    file = tmp_path / "rates.json"
    if isinstance(content, str):
        file.write_text(content)
    elif content is not None and content.pop("right", False):
        table = {"rates": {"false_positive": {"share": None}, "false_negative": {"share": 0.5}}}
        file.write_text(json.dumps({"table": table}))
    elif content is not None:
        file = written(tmp_path, **content)
    with pytest.raises(ConfigError, match=said) as met:
        prepare([*COMMAND, "objective=dr_grpo", f"verifier.rates_file={file}"])
    assert "verifier.rates_file" in str(met.value)


def test_rates_are_measured_or_typed_and_not_both(tmp_path: Path) -> None:
    more = (f"verifier.rates_file={written(tmp_path)}", "verifier.false_negative=0.3")
    with pytest.raises(ConfigError, match="typed beside it: one of the two"):
        prepare([*COMMAND, "objective=dr_grpo", *more])


def test_what_a_file_of_rates_holds_counts_in_the_fingerprint(tmp_path: Path) -> None:
    def found(file: Path) -> str:
        command = [*COMMAND, "objective=dr_grpo", f"verifier.rates_file={file}"]
        return next(iter(build_graph(prepare(command).runs, outputs=tmp_path).stages))

    file = written(tmp_path)
    before = found(file)
    (tmp_path / "elsewhere").mkdir()
    assert found(written(tmp_path / "elsewhere")) == before
    assert found(written(tmp_path, missed=3)) != before
