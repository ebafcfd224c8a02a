"""Rewards as constraints: multipliers that learn, and thresholds that are searched for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.reward_weighting.threshold_search import ThresholdSearch

KL = ("objective/shaping=[kl_penalty]", "objective.shaping.kl_penalty.coef=0.1")
PARTS = "reward_weighting.thresholds={accuracy: 0.95, length: 4.0}"


def trained(build: Any, *overrides: str, steps: int = 2) -> tuple[list[dict[str, float]], Any]:
    stage = build(f"training.steps={steps}", "optimizer.lr=1e-3", *overrides)
    return [stage.step(step).metrics for step in range(steps)], stage


def lagrangian(*overrides: str) -> tuple[str, ...]:
    return ("reward_weighting=lagrangian", PARTS, *KL, *overrides)


def test_multipliers_rise_below_their_thresholds_and_fall_above(stage_from: Any) -> None:
    found, _ = trained(stage_from, *lagrangian("reward_weighting.variant=mu"), steps=3)
    for line, later in pairwise(found):
        for part in ("accuracy", "length"):
            moved = later[f"reward/{part}/weight"] - line[f"reward/{part}/weight"]
            assert moved * line[f"reward_weighting/violation/{part}"] < 0
    last = found[-1]
    lambdas = [n for key, n in last.items() if key.startswith("reward_weighting/lambda/")]
    assert last["reward_weighting/kl_weight"] == pytest.approx(len(lambdas) - sum(lambdas))
    assert (
        last["reward_weighting/violation/length"] > 0 > last["reward_weighting/violation/accuracy"]
    )


def test_multipliers_of_0_leave_the_kl_alone(stage_from: Any) -> None:
    still = ("reward_weighting.variant=plain", "reward_weighting.lr=0")
    stage = stage_from("training.steps=1", *lagrangian(*still))
    stage.live["reward_weighting"].state["raw"] = {"accuracy": 0.0, "length": 0.0}
    before = [p.detach().clone() for p in stage.policy.model.parameters()]
    line = stage.step(0).metrics
    # The first step starts from the reference itself: nothing pulls.
    assert line["objective/advantage_max"] == 0 == line["gradient_norm"]
    after = stage.policy.model.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_step_of_several_updates_moves_multipliers_with_each_and_acts_next_step(
    stage_from: Any,
) -> None:
    one, _ = trained(stage_from, *lagrangian(), steps=2)
    several, _ = trained(stage_from, *lagrangian(), "training.updates_per_step=2", steps=2)
    name = "reward_weighting/lambda/accuracy"
    assert several[0][name] == one[0][name]
    assert abs(several[1][name]) > abs(one[1][name])
    assert several[1]["reward/accuracy/weight"] == several[1][name]


@pytest.mark.parametrize("objective", ["ppo", "grpo"])
def test_parts_have_values_of_their_own_where_there_is_a_critic(
    stage_from: Any, objective: str
) -> None:
    found, _ = trained(stage_from, f"objective={objective}", *lagrangian())
    said = [key for key in found[0] if "critic" in key and "/length" in key]
    assert bool(said) == (objective == "ppo")
    assert found[1]["gradient_norm"] > 0


def test_it_is_refused_without_the_term_that_is_its_objective() -> None:
    with pytest.raises(ConfigError, match="which is the objective that rewards constrain"):
        prepare(["recipe=rl", "reward_weighting=lagrangian"])
    with pytest.raises(ConfigError, match="names the part 'brevity'"):
        prepare(
            [
                "recipe=rl",
                *KL,
                "reward_weighting=lagrangian",
                "+reward_weighting.thresholds.brevity=1",
            ]
        )


def test_a_search_goes_from_vector_to_vector_and_ends_with_the_best() -> None:
    weighting = ThresholdSearch(
        thresholds={"a": 0.0, "b": 0.0}, highest={"a": 1.0, "b": 1.0}, iterations=6
    )
    state, tried = weighting.start(3), []
    while state["simplex"] is not None:
        a, b = state["thresholds"].values()
        tried.append((-((a - 0.5) ** 2) - (b - 0.5) ** 2, state["thresholds"]))
        state = weighting.judged(state, tried[-1][0])
    assert state["thresholds"] == max(tried, key=lambda each: each[0])[1]
    assert len(tried) == len(state["known"]) >= 6
    begun = [list(each.values()) for _, each in tried[:3]]
    assert all(0 <= x <= 1 for point in begun for x in point)


def test_thresholds_change_when_their_time_is_over(stage_from: Any) -> None:
    search = (
        "reward_weighting=threshold_search",
        "reward_weighting.thresholds={accuracy: 0.2, length: 2.0}",
        "reward_weighting.highest={accuracy: 1.0, length: 6.0}",
        "reward_weighting.every=1",
        "reward_weighting.patience=2",
        "reward_weighting.within=0",
        "evaluation.problems=3",
        "evaluation.samples=2",
        "evaluation.bootstrap=0",
    )
    found, _ = trained(stage_from, *search, *KL, steps=5)
    aimed = [line["reward_weighting/threshold/accuracy"] for line in found]
    assert [line["reward_weighting/judged"] for line in found] == [0, 1, 1, 2, 2]
    assert aimed[0] != aimed[1] == aimed[2] != aimed[3]


@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen",
    [
        ("reward_weighting=lagrangian", "training.updates_per_step=2"),
        (
            "reward_weighting=threshold_search",
            "reward_weighting.every=1",
            "reward_weighting.patience=1",
            "evaluation.problems=3",
            "evaluation.samples=2",
        ),
    ],
    ids=["multipliers", "search"],
)
def test_constraints_go_on_from_the_first_step_to_the_bit(
    short_run: Any, chosen: tuple[str, ...]
) -> None:
    found = short_run(*chosen, *KL)
    assert found[2]["gradient_norm"] > 0
