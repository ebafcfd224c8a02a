"""On which side of a group's mean a flawed positive is."""

from __future__ import annotations

from typing import Any

from golden_case import adapters

METHOD = "fapo"
CONFIG = {"kind", "lambda"}
INPUTS = {"n_flawed_positive"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "sign_transition"
    full = case.inputs.take("n_full_positive")
    flawed = case.inputs.take("n_flawed_positive")
    wrong = case.inputs.take("n_negative")
    policy = next(a.module for a in adapters() if a.module.__name__.endswith("fapo_policy"))
    rewards = policy.rewards_of(
        [1] * (full + flawed) + [0] * wrong,
        [0] * full + [1] * flawed + [0] * wrong,
        case.config.take("lambda"),
    )
    case.check("mean", rewards.mean())
    case.check("flawed_centered_advantage", rewards[full] - rewards.mean())
    case.check("rho_pos_over_neg", full / wrong)
