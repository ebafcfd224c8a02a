"""What a stage has opened serves its evaluations too, and all of it is saved, restored, closed."""

from __future__ import annotations

from typing import Any

import pytest

from etude.errors import CheckpointError
from etude.evaluation.run import evaluate_policy
from etude.learner.interface import StepResult
from etude.learner.open_stage import OpenStage, StageLearner
from etude.rollout.transformers import Transformers
from etude.verifier.pool import Pool

MEASURED = ("evaluation.problems=4", "evaluation.samples=2", "evaluation.bootstrap=10")
STAGES = {
    "grpo": ("rl", ()),
    "demonstrations held out": ("rl", ("data_mix.response_template='{solution}'",)),
    "sft": ("sft", ()),
    "generate": ("rl", ("objective=generate", "objective.keep=all")),
}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return how many engines and pools of workers were opened since the test began."""
    counts = {"engines": 0, "pools": 0}
    engine, begin = Transformers.engine, Pool.__init__

    def making(self: Any, policy: Any) -> Any:
        counts["engines"] += 1
        return engine(self, policy)

    def opening(self: Any, *given: Any) -> None:
        counts["pools"] += 1
        begin(self, *given)

    monkeypatch.setattr(Transformers, "engine", making)
    monkeypatch.setattr(Pool, "__init__", opening)
    return counts


@pytest.mark.parametrize("kind", STAGES)
def test_an_open_stage_measures_what_a_fresh_evaluation_does(learner: Any, kind: str) -> None:
    stage, overrides = STAGES[kind]
    made = learner(*overrides, *MEASURED, stage=stage)
    for step in range(2):
        made.step(step)
        assert made.evaluate() == evaluate_policy(made.parts.config, made.policy)


def test_evaluations_open_no_second_engine_and_no_second_verifier(
    learner: Any, opened: dict[str, int]
) -> None:
    sampling = learner(*MEASURED)
    sampling.step(0)
    before = dict(opened)
    sampling.evaluate()
    sampling.evaluate()
    assert opened == before == {"engines": 1, "pools": 1}


def test_a_stage_that_samples_nothing_keeps_no_copy_of_its_weights(
    learner: Any, opened: dict[str, int]
) -> None:
    made = learner(*MEASURED, stage="sft")
    made.step(0)
    assert opened == {"engines": 0, "pools": 0}
    first = made.evaluate()
    assert made.evaluate() == first
    assert opened == {"engines": 2, "pools": 1}


def test_what_is_alive_is_kept_by_config_path(learner: Any) -> None:
    made = learner("objective=dapo", "objective/shaping=[kl_penalty]")
    assert set(made.live) >= {
        "curriculum",
        "data_mix",
        "learner",
        "model",
        "objective.shaping.kl_penalty",
        "verifier",
    }
    # What has no state is in no checkpoint, whenever it was opened.
    assert set(made.state_dict()["live"]) == set(made.live) - {"verifier"}


class Still(StageLearner):
    """A learner that draws no rows and moves nothing, and counts its steps."""

    def __init__(self, stage: OpenStage) -> None:
        super().__init__(stage)
        self.done = 0

    def step(self, step: int) -> StepResult:
        self.done += 1
        return StepResult({"done": self.done})

    def metrics(self) -> dict[str, float]:
        return {"counted": self.done}

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done = state["done"]


class Counting:
    """An open verifier that counts the answers it was given, over the whole stage."""

    def __init__(self, judge: Any) -> None:
        self.judge = judge
        self.seen = 0

    def verify(self, candidates: Any) -> Any:
        self.seen += len(candidates)
        return self.judge.verify(candidates)

    def close(self) -> None:
        self.judge.close()

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def test_a_verifier_is_opened_with_the_stage_and_goes_on_from_its_state(
    learner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etude.verifier.interface import Verifier

    plain = Verifier.open
    monkeypatch.setattr(Verifier, "open", lambda self, *given: Counting(plain(self, *given)))
    given = learner(*MEASURED)
    made, again, fresh = (OpenStage(given.parts, given.context, Still) for _ in range(3))
    unused = made.state_dict()
    assert unused["live"]["verifier"] == {"seen": 0}
    made.evaluate()
    again.load_state_dict(made.state_dict())
    again.evaluate()
    assert (made.verifier.seen, again.verifier.seen) == (8, 16)
    fresh.load_state_dict(unused)
    assert fresh.verifier.seen == 0
    for each in (made, again, fresh):
        each.close()


def test_a_state_of_other_components_is_told_and_nothing_of_it_is_taken(learner: Any) -> None:
    given = learner()
    made, other = (OpenStage(given.parts, given.context, Still) for _ in range(2))
    made.keep("mine", Still(made))
    made.step(0)
    with pytest.raises(CheckpointError, match="a state of mine, which nothing here takes"):
        other.load_state_dict(made.state_dict())
    with pytest.raises(CheckpointError, match="it has none of mine"):
        made.load_state_dict(other.state_dict())
    assert (made.learner.done, other.learner.done) == (1, 0)
    for each in (made, other):
        each.close()


def test_a_learner_is_its_step_and_the_stage_does_the_rest(learner: Any, tmp_path: Any) -> None:
    given = learner(*MEASURED)

    def opened() -> OpenStage:
        return OpenStage(given.parts, given.context, Still)

    made = opened()
    assert made.step(0).metrics == {"done": 1, "learner/counted": 1.0}
    assert made.evaluate() == evaluate_policy(made.parts.config, made.policy)
    made.export(tmp_path)
    assert (tmp_path / "model/model.safetensors").is_file()
    again = opened()
    again.load_state_dict(made.state_dict())
    assert again.step(1).metrics == {"done": 2, "learner/counted": 2.0}
    for each in (made, again):
        each.close()
