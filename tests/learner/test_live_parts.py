"""What is alive of a component is opened, told of steps and updates, logged, saved and closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from etude.curriculum.interface import StepPlan
from etude.execute import tree
from etude.feedback import StepFeedback, UpdateFeedback
from etude.learner.open_stage import OpenStage
from etude.live import Live


class Watcher(Live):
    """Remembers what it hears; makes longer answers once it has seen a step."""

    def __init__(self, stage: Any) -> None:
        self.seed = stage.seed
        self.seen = 0
        self.updates: list[tuple[int, int]] = []
        self.feedback: list[StepFeedback] = []
        self.closed = 0

    def plan(self, step: int) -> StepPlan:
        return StepPlan(max_new_tokens=4 + 2 * self.seen)

    def after_update(self, update: UpdateFeedback) -> None:
        self.updates.append((update.step, update.number))
        assert update.metrics["learning_rate"] > 0

    def observe(self, feedback: StepFeedback) -> None:
        self.seen += 1
        self.feedback.append(feedback)

    def metrics(self) -> dict[str, float]:
        return {"seen": self.seen}

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]

    def close(self) -> None:
        self.closed += 1


@dataclass(frozen=True)
class Watching:
    """A curriculum that watches."""

    opened: list[Watcher] = field(default_factory=list)

    def open(self, stage: OpenStage) -> Watcher:
        self.opened.append(Watcher(stage))
        return self.opened[-1]


def watch(made: OpenStage) -> OpenStage:
    """Return the same stage, opened with a curriculum that watches."""
    parts = replace(made.parts, curriculum=Watching())
    return OpenStage(parts, made.context, type(made.learner))


@pytest.fixture
def watched(learner: Any) -> Callable[..., OpenStage]:
    """Return a function that opens a stage with a curriculum that watches."""

    def opened(*overrides: str, **how: Any) -> OpenStage:
        return watch(learner(*overrides, **how))

    return opened


def test_a_component_with_open_hears_of_every_step_and_every_update(watched: Any) -> None:
    stage = watched("training.updates_per_step=2", "training.steps=3")
    watcher = stage.live["curriculum"]
    done = [stage.step(step) for step in range(2)]
    assert watcher.updates == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [each.metrics["curriculum/seen"] for each in done] == [1.0, 2.0]
    first, second = watcher.feedback
    assert (first.step, first.steps, second.step) == (0, 3, 1)
    assert first.plan == StepPlan(max_new_tokens=4)
    assert second.plan == StepPlan(max_new_tokens=6)
    assert len(first.rows) == first.metrics["rollout/rows"] == 16
    assert [len(group) for group in first.judged] == [4, 4, 4, 4]
    assert first.judged[0][0] is first.rows[0]
    assert max(row.length for row in first.rows) == 4
    assert max(row.length for row in second.rows) == 6
    row = first.rows[0]
    assert row.id.startswith("arithmetic:")
    assert row.source == "arithmetic"
    assert "level" in row.columns
    assert set(row.parts) >= {"accuracy", "format"}
    assert (first.trained, first.dropped) == (16, 0)
    assert first.evaluations == {}
    assert "curriculum/seen" not in first.metrics
    stage.close()
    assert watcher.closed == 1


def test_rows_that_a_filter_drops_are_counted_and_heard_of(stage_from: Any) -> None:
    stage = watch(stage_from("objective=dapo", "objective.filter.metric=accuracy"))
    stage.live["curriculum"].seen = 8  # answers as long as the model was taught
    stage.step(0)
    (heard,) = stage.live["curriculum"].feedback
    assert heard.trained == 32
    assert heard.dropped > 0
    assert heard.trained + heard.dropped == sum(map(len, heard.judged)) == len(heard.rows)


def test_its_state_goes_on_after_a_restore(watched: Any, tmp_path: Any) -> None:
    whole = watched()
    expected = [whole.step(step).metrics for step in range(3)]
    begun = watched()
    begun.step(0)
    tree.save(begun.state_dict(), tmp_path / "saved")
    resumed = watched()
    resumed.load_state_dict(tree.load(tmp_path / "saved"))
    assert resumed.live["curriculum"].seen == 1
    assert [resumed.step(step).metrics for step in (1, 2)] == expected[1:]


def test_only_components_that_the_learner_reads_are_opened(watched: Any) -> None:
    stage = watched(stage="sft")  # supervised learning plans no steps
    assert "curriculum" not in stage.live
    assert stage.parts.curriculum.opened == []


def test_all_is_closed_though_one_cannot_be(watched: Any, monkeypatch: Any) -> None:
    stage = watched()
    stage.step(0)
    judge = stage.live["verifier"]
    ended = []
    end = judge.close

    def broken() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(stage.live["curriculum"], "close", broken)
    monkeypatch.setattr(judge, "close", lambda: (ended.append("verifier"), end()))
    with pytest.raises(OSError, match="the disk is gone"):
        stage.close()
    assert ended == ["verifier"]


ASKING = (
    "curriculum=./patience.py:Patience",
    "curriculum.every=2",
    "curriculum.start=4",
    "evaluation.problems=3",
    "evaluation.samples=2",
    "evaluation.bootstrap=10",
)


@pytest.fixture
def asking(learner: Any, monkeypatch: pytest.MonkeyPatch) -> OpenStage:
    """Return a stage with a curriculum that asks for an evaluation every two steps."""
    monkeypatch.chdir(Path(__file__).parents[1])
    opened: OpenStage = learner(*ASKING)
    return opened


def test_an_evaluation_that_is_asked_for_is_heard_of_when_it_is_due(asking: OpenStage) -> None:
    heard: list[StepFeedback] = []
    observe = asking.live["curriculum"].observe
    asking.live["curriculum"].observe = lambda told: (heard.append(told), observe(told))
    done = [asking.step(step) for step in range(4)]
    assert [bool(each.evaluations) for each in done] == [False, True, False, True]
    assert done[3].evaluations == {"main": asking.evaluate()}
    measured = done[3].evaluations["main"][0]["metrics"]
    assert heard[3].evaluations["main"] == {name: m["value"] for name, m in measured.items()}
    assert heard[2].evaluations == {}


def test_an_evaluation_that_was_made_before_is_read_again(asking: OpenStage) -> None:
    made = {"metrics": {"truncated": {"value": 1.0}, "loss": {"value": None}}}
    context = replace(asking.context, measured=lambda name, done: (made, []) if done == 2 else None)
    stage = OpenStage(asking.parts, context, type(asking.learner))
    asked: list[int] = []
    stage.evaluate = lambda name: asked.append(1) or (made, [])
    assert [stage.step(step).evaluations for step in range(2)] == [{}, {"main": (made, [])}]
    assert stage.live["curriculum"].limit == 36
    assert asked == []
    stage.step(2)
    stage.step(3)
    assert asked == [1]
    stage.close()
