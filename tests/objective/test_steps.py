"""Steps of answers: where they end, what they are worth, and which pairs and weights they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from etude.objective.parts import Sampler
from etude.objective.step_advantages import StepAdvantages
from etude.objective.step_pairs import StepPairs
from etude.objective.step_values import StepScoring
from etude.primitives.steps import best_of_value, first_pit, step_advantages, step_ends
from etude.rows import Example, Outcome, Row, StopReason, Verdict


def answer(text: str, right: bool = False, *, cut: bool = False, solution: str = "") -> Row:
    columns = {"answer": "1", "solution": solution}
    row = Row("p", 0, (0,), (1,), [1], Example("p", "test", "p", columns=columns), text=text)
    row.verdict = Verdict(Outcome.CORRECT if right else Outcome.WRONG, {})
    row.stop_reason = StopReason.LENGTH if cut else StopReason.STOP
    return row


@dataclass
class Scripted(Sampler):
    """Continuations whose share of right ones is given for each prefix."""

    rates: dict[str, float]
    asked: list[str] = field(default_factory=list)

    def sample(
        self, examples: Sequence[Example], size: int, *, prefixes: Sequence[str] | None = None
    ) -> list[list[Row]]:
        assert prefixes is not None and len(prefixes) == len(examples)
        self.asked += prefixes
        return [
            [answer(text + "…", right=i < round(self.rates[text] * size)) for i in range(size)]
            for text in prefixes
        ]

    def text(self, example: Example) -> str | None:
        return example.columns["solution"] or None

    def context(self, example: Example) -> tuple[int, ...]:
        raise AssertionError("steps need no context")

    def fits(self, example: Example) -> bool:
        raise AssertionError("steps change no prompt")


@pytest.mark.parametrize(
    ("text", "split", "steps"),
    [
        ("7+8=15 3+4+1=8 A:85", "space", ["7+8=15 ", "3+4+1=8 ", "A:85"]),
        ("one\n\ntwo\n", "newline", ["one\n\n", "two\n"]),
        ("\none", "newline", ["\none"]),
        ("It is 3.5. So x! End", "sentence", ["It is 3.5. ", "So x! ", "End"]),
        ("", "newline", [""]),
    ],
)
def test_steps_hold_the_separator_behind_them_and_make_up_the_text(
    text: str, split: str, steps: list[str]
) -> None:
    ends = step_ends(text, split)
    assert [text[a:b] for a, b in zip([0, *ends], ends, strict=False)] == steps


def test_with_one_try_a_step_is_worth_its_success_rate_and_advantages_telescope() -> None:
    assert best_of_value(0.3, 1) == pytest.approx(0.3)
    values = [0.9, 0.2, 0.4]
    assert sum(step_advantages(values, 0.6)) == pytest.approx(values[-1] - 0.6)
    assert first_pit([0.5, 0.1, 0.1]) == 1


def test_the_rejected_answer_ends_with_the_first_step_of_least_value() -> None:
    group = [answer("a b c d"), answer("w x", right=True)]
    sampler = Scripted({"a ": 0.8, "a b ": 0.0, "a b c ": 0.2})
    objective = StepPairs(split="space", best_of=1)
    (pair,) = objective.harvest([group], sampler).rows
    assert (pair["chosen"], pair["rejected"], pair["pit"]) == ("w x", "a b ", 2)
    assert (pair["chosen_open"], pair["rejected_open"]) == (False, True)
    assert pair["step_values"] == pytest.approx([0.8, 0.0, 0.2, 0.0])


def test_a_wrong_final_slip_and_a_one_step_answer_give_the_ordinary_pair() -> None:
    right = answer("r", right=True)
    objective = StepPairs(split="space")
    slip = objective.harvest([[answer("a b"), right]], Scripted({"a ": 1.0})).rows[0]
    assert (slip["rejected"], slip["rejected_open"], slip["pit"]) == ("a b", False, 2)
    short = objective.harvest([[answer("no"), right]], Scripted({})).rows[0]
    assert (short["rejected"], short["rejected_open"]) == ("no", False)
    cut = objective.harvest([[answer("no", cut=True), right]], Scripted({})).rows[0]
    assert cut["rejected_open"] is True


def test_answers_that_say_nothing_about_their_steps_are_dropped_and_counted() -> None:
    group = [answer("a b"), answer("c d"), answer("r", right=True)]
    rates = {"a ": 0.0, "c ": 0.4}
    harvest = StepPairs(split="space").harvest([group], Scripted(rates))
    assert [row["rejected"] for row in harvest.rows] == ["c d"]
    assert harvest.metrics["negatives/dropped"] == 0.5
    everything = StepPairs(split="space", drop_uninformative=False)
    rows = everything.harvest([group], Scripted(rates)).rows
    assert [(row["rejected"], row["pit"]) for row in rows] == [("a ", 1), ("c d", 2)]


def test_a_prompt_without_a_right_answer_gives_no_pair_and_costs_nothing() -> None:
    group = [answer("a b", solution="s"), answer("c d", solution="s")]
    sampler = Scripted({"a ": 0.4, "c ": 0.4})
    harvest = StepPairs(split="space").harvest([group], sampler)
    assert (harvest.rows, sampler.asked) == ([], [])
    assert harvest.metrics["negatives/without_positive"] == 1.0
    shown = StepPairs(split="space", positives="demonstrations").harvest([group], sampler)
    assert [row["chosen"] for row in shown.rows] == ["s", "s"]
    weighted = StepAdvantages(split="space").harvest([group], sampler)
    assert len(weighted.rows) == 2


def test_wrong_answers_take_turns_with_the_right_ones_of_their_prompt() -> None:
    right = [answer(text, right=True) for text in ("r", "s")]
    wrong = [answer(text) for text in ("1", "2", "3")]
    rows = StepPairs().harvest([[*right, *wrong]], Scripted({})).rows
    assert [row["chosen"] for row in rows] == ["r", "s", "r"]


def test_the_value_of_the_bare_prompt_is_that_of_all_its_answers() -> None:
    group = [answer("a b", right=True), answer("c"), answer("d"), answer("e")]
    objective: Any = StepAdvantages(split="space", continuations=4, best_of=2)
    (first, *others) = objective.harvest([group], Scripted({"a ": 0.5})).rows
    start = 1 - 0.75**2
    assert first["step_advantages"] == pytest.approx([0.75 - start, 0.25])
    assert all(row["step_advantages"] == pytest.approx([-start]) for row in others)


def test_every_continuation_is_asked_for_in_one_call() -> None:
    calls = []

    class Counting(Scripted):
        def sample(self, examples: Any, size: int, *, prefixes: Any = None) -> Any:
            calls.append(len(examples))
            return super().sample(examples, size, prefixes=prefixes)

    group = [answer("a b c"), answer("d e")]
    sampler = Counting({"a ": 0.0, "a b ": 0.0, "d ": 0.0})
    scoring: StepScoring = StepAdvantages(split="space")
    scoring.score([(row, group) for row in group], sampler)
    assert calls == [3]
