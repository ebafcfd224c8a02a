"""RFT and RAFT++ learn from the right answers of a step alone."""

from __future__ import annotations

from typing import Any

import pytest


def test_rft_trains_on_the_share_of_rows_that_is_right(short_run: Any) -> None:
    metrics = short_run("objective=rft")
    for step in metrics:
        assert 0 < step["objective/selected_rows"] < 1
        assert step["objective/selected_rows"] == pytest.approx(step["reward/accuracy/raw"])
        assert step["objective/advantage_min"] == step["objective/advantage_max"] == 1.0
        assert step["loss"] > 0
        assert step["gradient_norm"] > 0


def test_raft_plus_plus_clips_what_moved_too_far_within_a_step(short_run: Any) -> None:
    metrics = short_run(
        "objective=raft_plus_plus",
        "training.updates_per_step=2",
        "training.epochs_per_step=2",
        "optimizer.lr=1e-3",
    )
    assert all(0 < step["objective/selected_rows"] < 1 for step in metrics)
    assert any(step["objective/clip_fraction_high"] > 0 for step in metrics)
    assert all(step["loss"] < 0 for step in metrics)


def test_the_best_answer_of_each_prompt_is_one_row_of_four(short_run: Any) -> None:
    metrics = short_run("objective=rft", "objective/selection=[best]", steps=2)
    assert all(step["objective/selected_rows"] == 0.25 for step in metrics)
