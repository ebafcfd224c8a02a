"""Reward weightings that learn: by a front that is measured, and by gradients of parts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.reward_weighting.hypervolume import Hypervolume

WEIGHTS = "reward_weighting.weights={accuracy: 1.0, format: 0.1, length: 0.1}"
STOPS = "rollout.stop_token_ids=[3,5,7,11,13,17,19,23,29,31]"
MEASURED = (
    "reward_weighting=hypervolume",
    "reward_weighting.evaluation=objectives",
    "reward_weighting.maximised=[accuracy,length]",
    "reward_weighting.minimised=[]",
    "evaluations.objectives.evaluation=part_means",
    "evaluations.objectives.evaluation.problems=4",
    "evaluations.objectives.evaluation.samples=2",
    "evaluations.objectives.evaluation.bootstrap=0",
)


def trained(build: Any, *overrides: str, steps: int = 2) -> tuple[list[dict[str, float]], Any]:
    stage = build(f"training.steps={steps}", WEIGHTS, STOPS, *overrides)
    return [stage.step(step).metrics for step in range(steps)], stage


def same(one: Any, other: Any) -> bool:
    pairs = zip(one.policy.model.parameters(), other.policy.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("objective", ["dr_grpo", "rloo"])
def test_a_front_that_changes_nothing_is_the_weighted_sum_to_the_bit(
    learner: Any, objective: str
) -> None:
    chosen = (f"objective={objective}", "optimizer.lr=1e-3")
    plain, one = trained(learner, *chosen)
    inert = ("reward_weighting.least=1", "reward_weighting.gain=0")
    found, other = trained(learner, *MEASURED, *inert, *chosen)
    for mine, theirs in zip(found, plain, strict=True):
        assert {key: mine[key] for key in theirs} == theirs
    assert same(one, other)


def test_a_step_after_which_nothing_was_gained_counts_half_in_the_next(learner: Any) -> None:
    found, _ = trained(learner, *MEASURED, "objective=dr_grpo", steps=3)
    factor = 1.0
    for line in found:
        assert line["reward/length/weight"] == pytest.approx(0.1 * factor)
        gained = line["reward_weighting/contribution"]
        factor = line["reward_weighting/factor"]
        assert factor == pytest.approx(0.5 + 1.5 * math.tanh(gained))


def test_what_a_model_was_worth_before_it_learned_is_the_reference(learner: Any) -> None:
    stage = learner("training.steps=1", WEIGHTS, STOPS, *MEASURED, "objective=dr_grpo")
    measured, _ = stage.evaluate("objectives")
    stage.step(0)
    points = stage.live["reward_weighting"].state["points"]
    assert points[0] == [measured["metrics"][name]["value"] for name in ("accuracy", "length")]


def test_a_front_is_measured_as_often_as_it_says(learner: Any) -> None:
    often = "reward_weighting.every=2"
    found, _ = trained(learner, *MEASURED, often, "objective=dr_grpo", steps=3)
    factors = [line["reward_weighting/factor"] for line in found]
    assert factors[0] == 1.0 != factors[1] == factors[2]


def test_objectives_in_other_units_give_the_same_factor_where_they_are_normalised() -> None:
    def factor(unit: float) -> float:
        weighting = Hypervolume(normalise=True)
        state = {**weighting.start(0), "points": [[0.5, -100.0 * unit]]}
        found: float = weighting.measured(state, [0.6, -80.0 * unit])["factor"]
        return found

    assert factor(1.0) == pytest.approx(factor(1000.0))


@pytest.mark.parametrize(
    "advantage",
    [
        "objective=grpo",
        "objective=ppo",
        "objective=nsr",
        "objective=reinforce_plus_plus",
        "objective/advantage=whole_batch",
        "objective.advantage=rloo objective.advantage.whiten=true",
    ],
)
def test_a_factor_on_all_rewards_is_refused_where_it_would_be_lost(advantage: str) -> None:
    with pytest.raises(ConfigError, match="reward_weighting hypervolume cannot be used with"):
        prepare(["recipe=rl", "reward_weighting=hypervolume", *advantage.split()])


def test_an_objective_that_the_evaluation_does_not_give_is_refused() -> None:
    asked = ["recipe=rl", "objective=dr_grpo", "reward_weighting=hypervolume"]
    with pytest.raises(ConfigError, match=r"maximised.*names 'format', which the stage's eval"):
        prepare([*asked, "reward_weighting.maximised=[format]"])
    with pytest.raises(ConfigError) as refused:
        prepare([*asked, "reward_weighting.evaluation=others"])
    assert str(refused.value).count("asks for the evaluation others") == 1


def test_weights_that_do_not_move_by_gradients_are_the_weighted_sum_to_the_bit(
    learner: Any,
) -> None:
    plain, one = trained(learner, "optimizer.lr=1e-3")
    still = ("reward_weighting=gradient", "reward_weighting.rate=0")
    found, other = trained(learner, *still, "optimizer.lr=1e-3")
    for mine, theirs in zip(found, plain, strict=True):
        assert {key: mine[key] for key in theirs} == theirs
    assert same(one, other)


def test_weights_by_gradients_move_every_so_many_steps_and_keep_their_sum(learner: Any) -> None:
    chosen = ("reward_weighting=gradient", "reward_weighting.rate=1e-5")
    found, _ = trained(learner, *chosen, "reward_weighting.accumulate=2", steps=4)
    weights = [
        [line[f"reward/{part}/weight"] for part in ("accuracy", "format", "length")]
        for line in found
    ]
    assert weights[0] == [1.0, 0.1, 0.1] != weights[1] == weights[2] != weights[3]
    for each in weights:
        assert sum(each) == pytest.approx(1.2)
        assert min(each) > 0
    for line in found:
        assert line["reward/length/weighted"] == pytest.approx(
            line["reward/length/raw"] * line["reward/length/weight"]
        )


def test_the_learning_rate_over_mu_is_how_fast_weights_move(learner: Any) -> None:
    slow, _ = trained(learner, "reward_weighting=gradient", "optimizer.lr=1e-6", steps=1)
    fast, _ = trained(learner, "reward_weighting=gradient", "optimizer.lr=1e-5", steps=1)
    name = "reward_weighting/factor/length"
    assert fast[0][name] == pytest.approx(slow[0][name] ** 10)
    influence = slow[0]["reward_weighting/influence/length"]
    assert slow[0][name] == pytest.approx(math.exp(0.1 * influence))


def test_a_weight_below_0_is_refused_as_a_start_of_factors() -> None:
    asked = ["recipe=rl", "reward_weighting=gradient", "reward_weighting.weights.format=-1"]
    with pytest.raises(ConfigError, match="each number in it is at least 0"):
        prepare(asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [
        (*MEASURED, "objective=dr_grpo"),
        ("reward_weighting=gradient", "reward_weighting.accumulate=2", "optimizer.lr=1e-3"),
    ],
    ids=["front", "gradients"],
)
def test_weights_that_learn_go_on_from_the_first_step_to_the_bit(
    short_run: Any, chosen: tuple[str, ...], tmp_path: Path
) -> None:
    found = short_run(*chosen, "reward_weighting.weights={accuracy: 1.0, format: 0.3}")
    assert found[2]["gradient_norm"] > 0
