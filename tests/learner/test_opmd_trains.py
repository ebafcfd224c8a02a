"""OPMD and AsymRE on a short stage."""

from __future__ import annotations

from typing import Any

STALE = ("training.updates_per_step=2", "training.epochs_per_step=2", "optimizer.lr=3e-3")


def test_the_tilted_baseline_lies_above_the_mean_reward(short_run: Any) -> None:
    metrics = short_run("objective=opmd", "objective.advantage.baseline=logavgexp", steps=2)
    for step in metrics:
        assert step["objective/baseline"] > step["reward/mean"]
        assert step["gradient_norm"] > 0


def test_the_square_of_the_log_ratio_acts_on_stale_answers(short_run: Any) -> None:
    metrics = short_run("objective=opmd", "objective/policy_loss=opmd_kimi", *STALE, steps=2)
    assert all(step["objective/answer_log_ratio_squared"] > 0 for step in metrics)


def test_the_pairwise_form_sees_whole_groups(short_run: Any) -> None:
    metrics = short_run(
        "objective=opmd",
        "objective/policy_loss=opmd_pairwise",
        "execution.micro_batch_tokens=160",
        steps=2,
    )
    for step in metrics:
        assert step["objective/reward_variance"] > 0
        assert step["gradient_norm"] > 0


def test_the_shift_makes_most_advantages_positive(short_run: Any) -> None:
    metrics = short_run("objective=asymre", steps=2)
    for step in metrics:
        assert abs(step["objective/baseline"] - step["reward/mean"] + 0.1) < 1e-6
        flat = step["objective/zero_std_groups"]
        assert step["objective/positive_advantages"] >= flat > 0
