"""DRPO trains: right and wrong answers are compared, and the constraint wakes in later updates."""

from __future__ import annotations

from typing import Any


def test_the_constraint_acts_once_the_policy_has_moved(short_run: Any) -> None:
    metrics = short_run(
        "objective=drpo",
        "objective.policy_loss.delta=-0.001",
        "training.updates_per_step=2",
        "optimizer.lr=3e-4",
    )
    assert metrics[0]["objective/compared_rows"] > 0
    assert metrics[0]["gradient_norm"] > 0
    assert any(step["objective/constraint_kl"] != 0 for step in metrics)
    assert any(step["objective/constraint_active"] > 0 for step in metrics)
