"""Advantages of rewards and of the KL term, mixed by multipliers."""

from __future__ import annotations

from typing import Any

import torch

from etude.reward_weighting.lagrangian import Lagrangian

METHOD = "constrained_rewards"
CONFIG = {"normalize_each"}
INPUTS = {"reward_advantages", "kl_advantages"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "mixed_advantage"
    assert case.config.take("eps") == 1e-8
    squash, equality = case.config.take("squash"), case.config.take("equality")
    own = dict(enumerate(case.inputs.tensor("reward_advantages").unbind(-1)))
    named = {f"part{k}": values.unsqueeze(-1) for k, values in own.items()}
    kept_close = case.inputs.tensor("kl_advantages").unsqueeze(-1)
    weighting = Lagrangian(
        thresholds=dict.fromkeys(named, 0.0),
        variant=("xi" if equality else "mu") if squash else "plain",
        normalise=case.config.take("normalize_each"),
    )
    weights = weighting.multipliers(dict(zip(named, case.inputs.take("lambda_raw"), strict=True)))
    mask = torch.ones_like(kept_close)
    scaled = {name: weighting.scaled(values, mask) for name, values in named.items()}
    found = weighting.mixed(scaled, weighting.scaled(kept_close, mask), weights)
    case.check("lambda", list(weights.values()))
    case.check("mixed", found.squeeze(-1))
