"""A steered entropy bonus on a short stage: it grows below the target and is off above."""

from __future__ import annotations

from typing import Any

import pytest


def test_the_bonus_grows_while_the_entropy_is_too_low(short_run: Any) -> None:
    part = "objective.regularizer.entropy"
    metrics = short_run(
        "objective=entropy_regularisation", f"{part}.target=9.0", f"{part}.delta=0.002"
    )
    assert [step["objective/entropy_coef"] for step in metrics] == pytest.approx([0, 0.002, 0.004])
    assert all(step["objective/entropy"] > 0 for step in metrics)


def test_above_the_target_there_is_no_bonus(short_run: Any) -> None:
    part = "objective.regularizer.entropy"
    metrics = short_run(
        "objective=entropy_regularisation", f"{part}.target=0.0", f"{part}.coef=0.004", steps=2
    )
    assert [step["objective/entropy_coef"] for step in metrics] == pytest.approx([0.004, 0])
