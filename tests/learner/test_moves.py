"""What moves the other models of a stage: a reference that is reset, an average that follows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from etude.build import build
from etude.config.prepare import prepare
from etude.errors import ConfigError, StageError
from etude.feedback import StepFeedback

KL = ("objective/regularizer=[kl]", "objective.regularizer.kl.coef=0.1")
RESET = (*KL, "training/moves=[reset]", "optimizer.lr=1e-2")


def weights(policy: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.model.parameters()]


def same(one: Any, other: Any) -> bool:
    return all(map(torch.equal, weights(one), weights(other)))


def told(
    step: int,
    metrics: Mapping[str, float] | None = None,
    evaluations: Mapping[str, Mapping[str, float]] | None = None,
) -> StepFeedback:
    return StepFeedback(step, 99, metrics or {}, evaluations=evaluations or {})


def resets(node: dict[str, Any], heard: list[StepFeedback]) -> list[int]:
    """Return after which steps (from 0) a role is reset that hears so much."""
    asked: list[str] = []
    stage = SimpleNamespace(role="policy", copy=asked.append, reset=asked.append)
    live = build({"name": "reset", **node}, "training/moves").open(stage)
    found = []
    for feedback in heard:
        before = len(asked)
        live.observe(feedback)
        if len(asked) > before:
            found.append(feedback.step)
    expected = ["reference", "policy"] if node.get("optimizer") else ["reference"]
    assert asked == expected * len(found)
    assert live.metrics()["resets"] == len(found)
    return found


def test_a_reference_is_reset_every_so_many_steps() -> None:
    assert resets({"every": 3}, [told(step) for step in range(8)]) == [2, 5]
    assert resets({"every": 3, "optimizer": True}, [told(step) for step in range(4)]) == [2]


def test_it_is_reset_where_the_model_gets_no_better() -> None:
    values = [0.1, 0.3, 0.3, 0.2, 0.25, 0.4, 0.3, 0.3]
    heard = [
        told(2 * at + 1, evaluations={"main": {"pass@1": value, "length": at}})
        for at, value in enumerate(values)
    ]
    assert resets({"patience": 2}, heard) == [7, 15]
    assert resets({"patience": 2, "metric": "length"}, heard) == []
    other = [told(1, evaluations={"main": {"pass@1": 1.0}}), told(3, evaluations={})]
    assert resets({"patience": 1, "evaluation": "ood"}, other) == []
    with pytest.raises(StageError, match="the evaluation main has pass@1, length"):
        resets({"patience": 1, "metric": "pass@9"}, heard)


def test_a_reset_by_the_clock_counts_from_the_last_one() -> None:
    heard = [told(step, {"objective/kl_reference": 0.2 if step == 1 else 0.0}) for step in range(6)]
    assert resets({"every": 3, "divergence": 0.1}, heard) == [1, 4]
    assert resets({"divergence": 0.2}, heard) == []


def test_the_policy_takes_the_place_of_the_reference(learner: Any) -> None:
    stage = learner(*RESET, "training.moves.reset.every=2")
    begun = weights(stage.policy)
    first = stage.step(0)
    assert all(map(torch.equal, weights(stage.model("reference")), begun))
    second = stage.step(1)
    assert same(stage.model("reference"), stage.policy)
    place = "training/moves/reset/"
    assert [r.metrics[f"{place}resets"] for r in (first, second)] == [0, 1]
    assert [r.metrics[f"{place}since"] for r in (first, second)] == [1, 0]
    assert stage.step(2).metrics["objective/kl_reference"] == pytest.approx(0.0, abs=1e-6)


def test_an_average_keeps_most_of_itself(learner: Any) -> None:
    chosen = (*KL, "training/moves=[average]", "training.moves.average.decay=0.75")
    stage = learner(*chosen, "training.moves.average.every=2")
    before = weights(stage.model("reference"))
    stage.step(0)
    assert all(map(torch.equal, weights(stage.model("reference")), before))
    stage.step(1)
    found = zip(weights(stage.model("reference")), before, weights(stage.policy), strict=True)
    for mine, old, new in found:
        torch.testing.assert_close(mine, 0.75 * old + 0.25 * new)


@pytest.mark.parametrize("chosen", [("reset", "every=99"), ("average", "decay=1.0")], ids=str)
def test_what_moves_nothing_is_the_plain_step_to_the_bit(
    learner: Any, chosen: tuple[str, str]
) -> None:
    name, value = chosen
    plain = learner(*KL)
    stage = learner(*KL, f"training/moves=[{name}]", f"training.moves.{name}.{value}")
    for step in range(2):
        one, other = plain.step(step), stage.step(step)
        assert other.samples == one.samples
        assert one.metrics.items() <= other.metrics.items()
    assert same(plain.policy, stage.policy)


@pytest.mark.parametrize(
    "chosen",
    [
        ("training/moves=[reset]", "training.moves.reset.every=2"),
        (
            "training/moves=[reset]",
            "training.moves.reset.patience=1",
            "training.moves.reset.look=1",
            "training.moves.reset.optimizer=true",
            "evaluation.problems=4",
            "evaluation.samples=2",
        ),
        ("training/moves=[average]", "training.moves.average.decay=0.5"),
    ],
    ids=("by the clock", "by evaluations", "average"),
)
def test_a_stage_whose_models_move_goes_on_to_the_bit(
    short_run: Any, chosen: tuple[str, ...]
) -> None:
    found = short_run(*KL, *chosen, steps=4)
    assert found[1]["objective/kl_reference"] > 0
    assert "average" in chosen[0] or found[3]["training/moves/reset/resets"] > 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ((*KL, "training/moves=[reset]"), "it would never be reset. Type"),
        (
            ("training/moves=[reset]", "training.moves.reset.divergence=0.1"),
            "needs the logged divergence from the model 'reference' to see how far it is",
        ),
        (
            (
                *KL,
                "training/moves=[reset]",
                "training.moves.reset.every=2",
                "recipe=expert_iteration",
            ),
            "changes no stage",
        ),
        (
            (*KL, "training/moves=[average]", "training.moves.average.role=techer"),
            "needs the model 'techer' which it moves",
        ),
        (
            (
                *KL,
                "training/moves=[reset]",
                "training.moves.reset.patience=2",
                "training.moves.reset.metric=pass@3",
            ),
            "names 'pass@3', which the stage's evaluation does not give. Did you mean pass@8",
        ),
    ],
)
def test_moves_that_could_not_be_made_are_refused(typed: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare(["recipe=rl", *typed])
    assert said in str(caught.value)


def test_a_move_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learner: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "from dataclasses import dataclass\n\n"
        "from etude.component import Need, component\n"
        "from etude.live import Live\n"
        "from etude.training.moves.kind import Move\n\n\n"
        '@component(requires=[Need("model:reference")], provides=["changes:reference"])\n'
        "@dataclass(frozen=True)\n"
        "class Once(Move):\n"
        "    after: int = 0\n\n"
        "    def open(self, stage):\n"
        "        return Moving(self, stage)\n\n\n"
        "class Moving(Live):\n"
        "    def __init__(self, config, stage):\n"
        "        self.config, self.stage = config, stage\n\n"
        "    def observe(self, feedback):\n"
        "        if feedback.step == self.config.after:\n"
        '            self.stage.copy("reference")\n'
    )
    stage = learner(*KL, "training/moves=[./own.py:Once]")
    stage.step(0)
    assert same(stage.model("reference"), stage.policy)
