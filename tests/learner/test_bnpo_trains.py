"""BNPO on a short stage: the density is fitted in every step, and weighs prompts apart."""

from __future__ import annotations

from typing import Any


def test_the_density_is_fitted_and_weighs_prompts_apart(short_run: Any) -> None:
    metrics = short_run("objective=bnpo")
    for step in metrics:
        assert 0 < step["objective/bnpo_rate_mean"] < 1
        assert step["objective/bnpo_rate_variance"] > 0
        assert min(step["objective/bnpo_alpha"], step["objective/bnpo_beta"]) >= 1
        assert step["objective/bnpo_weight_max"] > step["objective/bnpo_weight_mean"] > 0
        assert step["gradient_norm"] > 0
    assert any(step["objective/bnpo_alpha"] > 1 for step in metrics)


def test_parts_are_normalised_each_on_its_own(short_run: Any) -> None:
    metrics = short_run("objective=bnpo", "objective.advantage.parts=[accuracy,format]", steps=2)
    for step in metrics:
        accuracy = step["objective/bnpo_rate_mean/accuracy"]
        assert 0 < accuracy < step["objective/bnpo_rate_mean/format"] <= 1
