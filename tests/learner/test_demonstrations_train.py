"""LUFFY and RL-PLUS on a short stage: demonstrations are in the groups, and weighed as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etude.learner.clock import Clock
from etude.learner.forward import score

HARD = ("data_mix.train.arithmetic.levels=[2]", "rollout.max_new_tokens=24")


@pytest.mark.parametrize("name", ["luffy", "rl_plus"])
def test_unsolved_prompts_are_learned_from_their_demonstrations(short_run: Any, name: str) -> None:
    metrics = short_run(f"objective={name}", "training.updates_per_step=2", *HARD, steps=4)
    for step in metrics:
        assert step["demonstrations/rows"] == 8
        assert step["demonstrations/correct"] == step["groups/signal"] == 1.0
        assert step["rollout/rows"] == 24  # three own answers and one demonstration a prompt
        assert 0 < step["objective/off_tokens"] < 1
        assert 0 < step["objective/off_probability"] < step["objective/own_probability"] < 1
        assert step["objective/off_loss"] < 0  # they are better than the rest of their group
        assert step["gradient_norm"] > 0
        assert step["objective/entropy"] > 0


@pytest.mark.parametrize(
    "schedule",
    [
        ("objective.guidance.min_ratio=0.2", "objective.guidance.max_ratio=0.7"),
        ("objective.guidance.strategy=linear", "objective.guidance.linear_steps=2"),
    ],
)
def test_part_of_a_demonstration_is_gone_on_with(short_run: Any, schedule: Any) -> None:
    metrics = short_run("objective=luffy", *schedule, *HARD, steps=3)
    shares = [step["guidance/given_share"] for step in metrics]
    tokens = [step["guidance/given_tokens"] for step in metrics]
    if "linear" in schedule[0]:
        assert shares == pytest.approx([0.8, 0.4, 0.0])
        assert tokens[0] > tokens[1] > tokens[2] == 0.0
        assert metrics[2]["objective/off_tokens"] == 0.0
    else:
        assert all(0.2 < share < 0.7 for share in shares)
        assert len(set(shares)) == 3


def given_rows(stage: Any) -> tuple[Any, list[Any]]:
    groups = stage.learner.rollouts.gather(0, stage.learner.curriculum.plan(0)).groups
    given = [row for group in groups for row in group if any(row.off_policy)]
    assert given
    assert all(row.sampler_logprobs == [0.0] * len(row.tokens) for row in given)  # nobody sampled
    return groups, given


def test_old_log_probs_of_demonstrations_are_the_policy_s(stage_from: Any) -> None:
    stage = stage_from("objective=rl_plus", *HARD)
    groups, given = given_rows(stage)
    budget = stage.parts.execution.micro_batch_tokens
    known = score(stage.policy, given, token_budget=budget)
    stage.learner.learn(groups, 0, Clock())
    for row, expected in zip(given, known, strict=True):
        assert row.old_logprobs == pytest.approx(expected, abs=1e-4)
        assert min(row.old_logprobs) < 0


def test_so_they_are_where_another_model_samples(learner: Any, taught: Path) -> None:
    stage = learner("objective=rl_plus", rollout_from=taught)
    groups, given = given_rows(stage)
    own = next(row for group in groups for row in group if not any(row.off_policy))
    budget = stage.parts.execution.micro_batch_tokens
    known = score(stage.policy, given, token_budget=budget)
    stage.learner.learn(groups, 0, Clock())
    for row, expected in zip(given, known, strict=True):
        assert row.old_logprobs == pytest.approx(expected, abs=1e-4)
    assert own.old_logprobs == []  # its own are those of the model that sampled it
