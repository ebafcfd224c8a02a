"""The best of several answers to a prompt, as a generate stage and as an update choose it."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import rollout_batch

from etude.objective.generate import Generate
from etude.objective.selection.best import Best
from etude.rows import Example, Row

METHOD = "expert_iteration"
CONFIG = {"kind", "K"}
INPUTS = {"rewards"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "raft_best_of_k"
    rewards = case.inputs.take("rewards")
    size = case.config.take("K")
    assert all(len(group) == size for group in rewards)
    objective = Generate(samples_per_prompt=size, keep="best")
    example = Example("one", "golden", "prompt")
    kept = []
    for group in rewards:
        rows = [
            Row("one", i, (0,), (), [], example, text=str(i), reward=reward)
            for i, reward in enumerate(group)
        ]
        kept += objective.accepted(rows)
    case.check("selected_index", [row.index for row in kept])
    case.check("selected_reward", [row.reward for row in kept])

    flat = torch.tensor(rewards, dtype=torch.float64).flatten()
    mask = torch.ones(flat.numel(), 1, dtype=torch.float64)
    groups = torch.arange(flat.numel()) // size
    batch = rollout_batch(mask, rewards=flat, groups=groups)
    chosen = Best().select(batch, mask, None).view(len(rewards), size)
    assert chosen.argmax(-1).tolist() == [row.index for row in kept]
    assert chosen.sum(-1).tolist() == [1.0] * len(rewards)
