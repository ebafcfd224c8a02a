"""PACS on a short stage: the scores of right and wrong answers part."""

from __future__ import annotations

from typing import Any


def test_scores_begin_at_zero_and_part_in_later_updates(short_run: Any) -> None:
    once = short_run("objective=pacs", steps=2)
    for step in once:
        assert step["objective/score_right"] == step["objective/score_wrong"] == 0
        assert step["gradient_norm"] > 0
    again = short_run(
        "objective=pacs",
        "training.updates_per_step=2",
        "training.epochs_per_step=2",
        "optimizer.lr=1e-3",
        "execution.micro_batch_tokens=160",
        steps=2,
    )
    for step in again:
        assert step["objective/score_right"] > step["objective/score_wrong"]


def test_mean_logprobs_are_scores_that_need_no_sampling_policy(short_run: Any) -> None:
    metrics = short_run(
        "objective=pacs",
        "objective.policy_loss.score=mean_logprob",
        "objective.policy_loss.baseline=grpo",
        steps=2,
    )
    for step in metrics:
        assert step["objective/score_right"] != step["objective/score_wrong"]
        assert 0 < step["objective/score_accuracy"] < 1
