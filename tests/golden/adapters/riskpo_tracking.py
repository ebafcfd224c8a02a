"""Quantiles of bundle scores, followed from step to step."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import objective, rollout_batch

from etude.objective.advantage.riskpo import RiskPO
from etude.primitives.quantiles import LEVELS

METHOD = "riskpo"
CONFIG = {"lr_q", "alphas"}
INPUTS = {"bundle_scores_per_step"}


def run(case: Any) -> None:
    assert case.config.take("alphas") == list(LEVELS), f"{case.name}: other levels than ours"
    chosen = objective(advantage=RiskPO(bundle_size=1, tracking_rate=case.config.take("lr_q")))
    state = chosen.make_state()
    after = []
    for scores in case.inputs.take("bundle_scores_per_step"):
        rewards = torch.tensor(scores, dtype=torch.float64)  # bundles of one prompt: score = reward
        mask = torch.ones(len(scores), 1, dtype=torch.float64)
        groups = torch.zeros(len(scores), dtype=torch.long)
        chosen.estimate(rollout_batch(mask, rewards=rewards, groups=groups), state)
        after.append(state.of("advantage").state_dict()["values"])
    case.check("q_after_each_step", after)
