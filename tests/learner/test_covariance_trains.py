"""Clip-Cov and KL-Cov on a short stage with several updates a step, so that ratios leave 1."""

from __future__ import annotations

from typing import Any

STALE = ("training.updates_per_step=2", "training.epochs_per_step=2", "optimizer.lr=3e-4")


def test_some_tokens_go_untaught(short_run: Any) -> None:
    metrics = short_run(
        "objective=clip_cov",
        "objective.modifier.clip_cov.ratio=0.02",
        "objective.modifier.clip_cov.low=0.01",
        *STALE,
    )
    for step in metrics:
        assert 0 < step["objective/clip_cov_fraction"] <= 0.02
        assert step["objective/clip_cov_candidates"] > step["objective/clip_cov_fraction"]
        assert step["objective/clip_cov_covariance"] != 0
        assert step["gradient_norm"] > 0


def test_some_tokens_pay_for_moving(short_run: Any) -> None:
    metrics = short_run("objective=kl_cov", "objective.modifier.kl_cov.ratio=0.1", *STALE)
    for step in metrics:
        assert 0.05 < step["objective/kl_cov_fraction"] <= 0.1
        assert step["objective/kl_cov_penalty"] > 0
        assert step["objective/clip_fraction"] == 0
