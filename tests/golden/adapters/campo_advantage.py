"""CAMPO's advantages: the penalty moves a row and the statistics of its group."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import composed, rollout_batch

from etude.objective.batch import place_outcome

METHOD = "campo"
CONFIG = {"repetition_penalty"}
INPUTS = {"responses", "sequence_rewards"}


def run(case: Any) -> None:
    case.config.take("kind")
    case.config.choose("std", {"unbiased (n-1)": "sample"})
    coef = case.config.take("repetition_penalty")
    objective = composed("campo", f"objective.shaping.repetition.coef={coef}")
    assert objective.advantage.epsilon == case.config.take("epsilon")
    mask = case.inputs.tensor("response_mask")
    lengths = mask.sum(-1).long()
    uids = case.inputs.take("uids")
    rewards = case.inputs.tensor("sequence_rewards")
    batch = rollout_batch(
        mask,
        rewards=rewards,
        token_rewards=place_outcome(rewards, lengths, mask.shape[1]),
        groups=torch.tensor([sorted(set(uids)).index(uid) for uid in uids]),
        tokens=case.inputs.tensor("responses").long(),
        truncated=lengths == mask.shape[1],
    )
    shaped, _ = objective.shape(batch)
    case.check("advantages", objective.advantages(shaped))
