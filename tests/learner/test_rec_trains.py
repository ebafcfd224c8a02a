"""REC on a short stage with several updates a step, so that ratios leave 1."""

from __future__ import annotations

from typing import Any

STALE = ("training.updates_per_step=2", "training.epochs_per_step=2", "optimizer.lr=3e-4")


def test_without_options_every_token_is_in_range(short_run: Any) -> None:
    for step in short_run("objective=rec", steps=2):
        assert step["objective/clip_fraction"] == 0
        assert step["objective/ratio"] == 1
        assert step["gradient_norm"] > 0


def test_tokens_out_of_range_are_masked_and_surplus_bad_answers_dropped(short_run: Any) -> None:
    metrics = short_run(
        "objective=rec",
        "objective/policy_loss=rec_one_side_is",
        "objective/advantage=red_drop",
        "objective.policy_loss.regularizer=k2",
        "objective.policy_loss.regularizer_coef=0.1",
        "objective.policy_loss.clip_low=0.02",
        "objective.policy_loss.clip_high=0.02",
        *STALE,
    )
    for step in metrics:
        assert 0 < step["objective/clip_fraction"] < 0.8
        assert step["objective/ratio"] != 1
        assert step["objective/rec_regularizer"] > 0
    assert any(step["objective/dropped_rows"] > 0 for step in metrics)
