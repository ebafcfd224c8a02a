"""ROVER trains: values move away from 0 within a step of several updates."""

from __future__ import annotations

from typing import Any


def test_values_of_the_second_update_are_not_zero(short_run: Any) -> None:
    metrics = short_run("objective=rover", "training.updates_per_step=2", "optimizer.lr=1e-3")
    assert all(step["objective/value_size"] > 0 for step in metrics)
    assert any(step["objective/next_value"] != 0 for step in metrics)
    assert all(step["gradient_norm"] > 0 for step in metrics)


def test_whole_answers_train_too(short_run: Any) -> None:
    metrics = short_run("objective=rover", "objective.policy_loss.level=response", steps=2)
    assert all(step["gradient_norm"] > 0 for step in metrics)
