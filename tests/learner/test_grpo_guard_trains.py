"""The analogue of GRPO-Guard on a short stage: later updates have a bias that is taken out."""

from __future__ import annotations

from typing import Any


def test_stale_answers_have_a_bias_that_is_taken_out(short_run: Any) -> None:
    metrics = short_run(
        "objective=grpo",
        "objective/policy_loss=ratio_norm",
        "training.updates_per_step=2",
        "training.epochs_per_step=2",
        "optimizer.lr=1e-3",
        "execution.micro_batch_tokens=160",
        steps=2,
    )
    for step in metrics:
        assert step["objective/ratio_bias"] != 0
        assert step["objective/normalised_ratio"] != 1
        assert step["gradient_norm"] > 0


def test_fresh_answers_have_none(short_run: Any) -> None:
    for step in short_run("objective=grpo", "objective/policy_loss=ratio_norm", steps=1):
        assert step["objective/ratio_bias"] == 0
        assert abs(step["objective/normalised_ratio"] - 1) < 1e-5
