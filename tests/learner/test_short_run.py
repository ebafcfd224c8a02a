"""The short stage that method tests train on has something to learn from."""

from __future__ import annotations

from typing import Any


def test_groups_of_the_short_run_have_signal(short_run: Any) -> None:
    metrics = short_run("objective=grpo")
    assert all(0.05 < step["reward/accuracy/raw"] < 0.95 for step in metrics)
    assert all(step["groups/signal"] > 0.2 for step in metrics)
    assert all(step["gradient_norm"] > 0 for step in metrics)
