"""Answers are judged while others are still sampled; what is said of them is the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from always import Always

from etude.evaluation.played import Asked, EvaluationPlayers, answers_of
from etude.rollout.episode.single import Single
from etude.rollout.finished import Expected
from etude.rows import Candidate, Example, Outcome, Request, Row, Sampled, StopReason, Verdict
from etude.verifier.concise import Concise
from etude.verifier.host import Alone
from etude.verifier.interface import Ahead, Verifier
from etude.verifier.monitored import Monitored
from etude.verifier.number import Number
from etude.verifier.pool import Pool

pytestmark = pytest.mark.slow

#: Seconds that anything here may take before it is said never to come.
NEVER = 60.0


@dataclass(frozen=True)
class Marking(Verifier):
    """Leaves a file for each answer that it is given, and takes its time where that is asked."""

    answer_can_exhaust: ClassVar[bool] = True

    def judge(self, candidate: Candidate) -> Verdict:
        Path(candidate.columns["folder"], candidate.id.replace(":", "-")).touch()
        while candidate.response == "compute":
            pass
        return Verdict(Outcome.CORRECT, {"accuracy": 1.0}, extracted=candidate.response)


def answer(folder: Path, name: str, response: str = "fine") -> Candidate:
    return Candidate(name, 0, "", response, {"folder": str(folder)})


def looked_after(judge: Ahead, done: Any) -> None:
    until = time.monotonic() + NEVER
    while not done():
        assert time.monotonic() < until
        judge.go_on()
        time.sleep(0.005)


@dataclass
class Slow:
    """An engine whose second answer ends only when the first one is being judged."""

    folder: Path
    waited: float = 0.0
    tells_what_ended: ClassVar[bool] = True

    def sample(self, requests: Sequence[Request], *, watch: Any, **how: Any) -> list[Sampled]:
        found = [Sampled((place,), (0.0,), StopReason.STOP) for place in range(len(requests))]
        watch.ended([(0, found[0])])
        looked_after(
            SimpleNamespace(go_on=watch.meanwhile),  # type: ignore[arg-type]
            lambda: (self.folder / requests[0].prompt_id).exists(),
        )
        watch.ended([(1, found[1])])
        return found  # of the third it does not tell


def test_the_first_answer_is_judged_before_the_second_is_sampled(tmp_path: Path) -> None:
    said = ["one", "two", "three"]
    policy = SimpleNamespace(
        rendered=str,
        answer_text=lambda tokens, *_: said[tokens[0]],
        causal_lm=SimpleNamespace(config=SimpleNamespace()),
    )
    problems = [Example(name, "s", name, columns={"folder": str(tmp_path)}) for name in "abc"]
    asked = Asked(problems, [(1,)] * 3, 1, 1.0, 0, 8)
    with Marking().open(1) as judge:
        players = EvaluationPlayers(policy, Slow(tmp_path), None, SimpleNamespace(), judge, 0)
        found = answers_of(Single(), asked, players)
        assert [verdict.extracted for ((_, _, verdict, *_),) in found] == said
        assert judge.counts[Outcome.CORRECT] == 3


def test_verdicts_on_expected_answers_are_those_on_any(tmp_path: Path) -> None:
    rows = [Candidate("p", n, "", f"#### {n % 7}", {"answer": "3"}) for n in range(100)]
    with Number().open(2) as plain, Number().open(2) as ahead:
        assert isinstance(ahead, Pool)
        for row in reversed(rows[20:]):
            ahead.expect([row])
        looked_after(ahead, lambda: not ahead._waiting and not ahead._busy())
        assert not any(ahead.counts.values())  # nobody has asked
        assert ahead.verify(rows[:90]) == plain.verify(rows[:90])
        assert ahead.counts == plain.counts
        assert not ahead._expected  # the last ten were not asked about
        assert ahead.verify(rows) == plain.verify(rows)


def test_what_hangs_while_others_are_sampled_delays_no_step(tmp_path: Path) -> None:
    hanging = [answer(tmp_path, f"h{n}", "compute") for n in range(2)]
    fine = [answer(tmp_path, f"f{n}") for n in range(8)]
    with Marking(timeout=0.4, batch_timeout=0.3).open(2) as judge:
        judge.verify(fine[:2])
        judge.expect(hanging)
        looked_after(judge, lambda: not judge._waiting and not judge._busy())
        found = judge.verify([*hanging, *fine])
    assert [each.outcome for each in found] == [Outcome.WRONG] * 2 + [Outcome.CORRECT] * 8
    assert all("verifier.timeout" in str(each.detail) for each in found[:2])


def test_a_row_that_was_changed_since_is_judged_as_it_is_now(tmp_path: Path) -> None:
    told: list[Candidate] = []
    judge: Any = SimpleNamespace(expect=told.extend, go_on=lambda: None)
    expected, row = Expected(), Row("a", 0, (), (), [], Example("a", "s", "a"))
    before = answer(tmp_path, "a", "before")
    expected.tell(judge, [row], [before])
    assert told == [before]
    after = replace(before, response="after")
    assert expected.of(row, after) is after
    expected.tell(judge, [row], [before])
    assert expected.of(row, replace(before)) is before


@dataclass(frozen=True)
class OfGroups(Marking):
    """Judges all answers to a prompt at once."""

    unit: ClassVar = "group"

    def judge_group(self, candidates: list[Candidate]) -> list[Verdict]:
        return [replace(self.judge(each), extracted=str(len(candidates))) for each in candidates]


def test_a_group_is_judged_when_all_of_it_is_there(tmp_path: Path) -> None:
    group = [replace(answer(tmp_path, "a"), index=n) for n in range(3)]
    with OfGroups().open(1) as judge:
        judge.expect(group[:1])
        assert not judge._waiting
        assert [each.extracted for each in judge.verify(group)] == ["3"] * 3


def test_what_wraps_a_verifier_of_workers_has_it_begin(tmp_path: Path) -> None:
    host = Alone()
    try:
        config = Concise(rule=Marking())
        judge = host.open(config)
        (row,) = [answer(tmp_path, "wrapped")]
        judge.expect([row])
        looked_after(judge, lambda: (tmp_path / "wrapped").exists())
        (found,) = judge.verify([row])
        assert found.parts == {"accuracy": 1.0, "conciseness": 0.0}
    finally:
        host.close()


def test_a_watch_begins_with_what_each_of_its_two_will_be_asked(tmp_path: Path) -> None:
    host = Alone()
    try:
        judge = host.open(Monitored(rule=Always(), oracle=Marking(), share=0.5))
        rows = [replace(answer(tmp_path, f"w{n}"), seed=n << 56) for n in range(0, 256, 16)]
        judge.expect(rows)
        oracle = host.open(judge._config.oracle)
        expected = {each.candidates[0].id for each in oracle._expected.values()}
        found = judge.verify(rows)
        assert expected == {
            row.id for row, said in zip(rows, found, strict=True) if "oracle" in said.parts
        }
        assert 0 < len(expected) < len(rows)
    finally:
        host.close()
