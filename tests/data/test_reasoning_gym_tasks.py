"""Tasks of reasoning_gym: rows apart and stable, its own scorers, and what is said without it."""

from __future__ import annotations

import importlib.util

import pytest

from etude.config import check_needs
from etude.config.prepare import prepare
from etude.errors import ConfigError, DataError
from etude.rows import Candidate, Outcome, StopReason
from etude.sources.reasoning_gym import ReasoningGym
from etude.tasks import gym
from etude.verifier.reasoning_gym import ReasoningGym as Scorer

COMMAND = ["recipe=rl", "data_mix=reasoning_gym", "verifier=reasoning_gym"]
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("reasoning_gym") is None,
    reason="the package reasoning_gym is not installed: pip install 'etude[reasoning_gym]'",
)


def test_without_the_package_a_command_is_refused_with_what_to_type(monkeypatch):
    monkeypatch.setattr(check_needs, "find_spec", lambda name: None)
    monkeypatch.setattr(gym, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        prepare(COMMAND)
    said = str(refused.value)
    assert "needs the package reasoning_gym to score answers, which is not installed" in said
    assert "pip install 'etude[reasoning_gym]'" in said


@needs_package
@pytest.mark.parametrize("task", ["basic_arithmetic", "spell_backward", "countdown"])
def test_rows_are_apart_stable_and_right_by_the_tasks_own_scorer(task):
    source = ReasoningGym(task=task, train_size=60, test_size=20)
    train, test = source.rows("train", 0), source.rows("test", 0)
    assert (len(train), len(test)) == (60, 20)
    assert not set(train.column("prompt")) & set(test.column("prompt"))
    assert len(set(train.column("id"))) == 60
    few = ReasoningGym(task=task, train_size=10).rows("train", 0)
    assert few.column("id") == train.column("id")[:10]
    scorer = Scorer()
    for row in (*train, *test):
        (verdict,) = scorer.verdicts([Candidate(row["id"], 0, row["prompt"], row["solution"], row)])
        assert verdict.outcome is Outcome.CORRECT and verdict.parts["score"] == 1


@needs_package
def test_an_answer_is_right_in_part_or_wrong_as_the_scorer_says():
    row = ReasoningGym(task="basic_arithmetic").rows("train", 0)[0]

    def judged(text, **ended):
        return Scorer().verdicts([Candidate("q", 0, "", text, row, **ended)])[0]

    part = judged(f"<answer>it is {row['answer']}</answer>")
    assert part.outcome is Outcome.PARTIAL and 0 < part.parts["score"] < 1
    assert part.share == part.parts["score"] and part.parts["accuracy"] == 0
    assert judged("<answer>x</answer>").parts["score"] < 0.1
    assert judged(row["answer"]).outcome is Outcome.NO_ANSWER
    both = f"<answer>x</answer> <answer>{row['answer']}</answer>"
    assert judged(both).outcome is Outcome.CORRECT
    assert judged(both, stop_reason=StopReason.LENGTH).parts["format"] == 0


@needs_package
def test_rows_are_made_at_the_levels_of_the_tasks_own_curriculum():
    source = ReasoningGym(task="basic_arithmetic", test_size=50)
    assert set(source.parameters()) == {"num_terms", "num_digits"}
    made = [source.generate({"num_digits": 2.5}, key) for key in range(20)]
    assert made == [source.generate({"num_digits": 2.5}, key) for key in range(20)]
    assert not {row["prompt"] for row in made} & set(source.rows("test", 0).column("prompt"))
    with pytest.raises(DataError, match="has no parameter size with 1; it has num_terms"):
        source.generate({"size": 1}, 0)


@needs_package
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"task": "countdwn"}, "no task 'countdwn' among its .* Did you mean countdown"),
        ({"config": {"terms": 3}}, "refuses it: .*unexpected keyword argument 'terms'"),
        ({"config": {"min_terms": -3}}, "refuses it: min_terms must be positive"),
    ],
)
def test_a_task_or_settings_that_there_are_not_are_refused_before_anything_starts(options, told):
    with pytest.raises(DataError, match=told):
        ReasoningGym(**options).first_look("train")


@needs_package
def test_a_misspelt_task_is_a_fault_of_the_command():
    with pytest.raises(ConfigError, match="no task 'countdwn'"):
        prepare([*COMMAND, "sources.reasoning_gym.task=countdwn"])


@pytest.mark.parametrize("columns", [{}, {"entry": {"question": "?"}}, {"entry": {"answer": "1"}}])
def test_a_row_that_cannot_be_judged_is_told_before_any_answer(columns):
    assert Scorer().unreadable(columns)
