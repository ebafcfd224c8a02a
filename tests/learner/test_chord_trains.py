"""CHORD on a short stage: demonstrations join every update, and their weight moves."""

from __future__ import annotations

from typing import Any

import pytest


def test_the_weight_decays_and_demonstrations_are_learned(short_run: Any) -> None:
    metrics = short_run(
        "objective=chord",
        "objective/imitation=chord_mu",
        "objective.imitation.rows=6",
        "objective.imitation.mu_decay_steps=2",
        "optimizer.lr=1e-3",
    )
    mu = [step["objective/mu"] for step in metrics]
    assert mu == pytest.approx([0.9, 0.475, 0.05])
    for step in metrics:
        assert step["objective/imitation_loss"] == step["objective/imitation_nll"] > 0
        assert step["gradient_norm"] > 0
        assert "objective/policy_loss" in step


def test_phi_weighs_tokens_by_how_undecided_the_policy_is(short_run: Any) -> None:
    metrics = short_run("objective=chord", "objective.imitation.rows=6", steps=2)
    for step in metrics:
        assert step["objective/mu"] == pytest.approx(0.1)
        assert 0 < step["objective/imitation_phi"] < 0.25
        assert 0 < step["objective/imitation_loss"] < 0.25 * step["objective/imitation_nll"] + 1e-9


def test_at_mu_zero_the_stage_is_that_without_demonstrations_to_the_bit(short_run: Any) -> None:
    plain = short_run("objective=grpo", steps=2)
    silent = short_run(
        "objective=grpo",
        "objective/imitation=chord",
        "objective.imitation.mu_valley=0",
        "objective.imitation.rows=3",
        steps=2,
    )
    for one, other in zip(plain, silent, strict=True):
        assert other["objective/imitation_nll"] > 0
        assert {name: other[name] for name in one} == one
