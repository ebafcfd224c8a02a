"""Learning from right or wrong answers alone on a short stage, and a step with none of them."""

from __future__ import annotations

from typing import Any


def test_wrong_answers_alone_are_pushed_down(short_run: Any) -> None:
    for step in short_run("objective=nsr", steps=2):
        assert 0 < step["objective/selected_rows"] < 1
        assert (step["objective/advantage_min"], step["objective/advantage_max"]) == (-1, 1)
        assert step["objective/policy_loss"] == 1
        assert step["objective/entropy"] > 0


def test_right_answers_alone_are_pushed_up(short_run: Any) -> None:
    for step in short_run("objective=psr", steps=2):
        assert 0 < step["objective/selected_rows"] < 1
        assert step["objective/policy_loss"] == -1


def test_both_are_learned_from_with_their_weights(short_run: Any) -> None:
    for step in short_run("objective=w_reinforce", steps=2):
        assert "objective/selected_rows" not in step
        assert 0 < step["objective/right_rows"] < 1
        assert step["objective/advantage_max"] < 0.11
        assert -0.1 < step["objective/policy_loss"] < 1


def test_a_step_without_a_wanted_answer_makes_no_update(short_run: Any) -> None:
    for step in short_run("objective=psr", "objective.selection.correct.above=1.0", steps=2):
        assert step["objective/selected_rows"] == 0
        assert step["update/skipped"] == 1
        assert "gradient_norm" not in step
