"""Overlong penalty of length-progressive training: rewards after it."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import rollout_batch

from etude.objective.shaping.soft_overlong import SoftOverlong

METHOD = "length_curriculum"
CONFIG = {"max_new_tokens", "buffer_len", "factor"}
INPUTS = {"lengths", "rewards"}


def run(case: Any) -> None:
    case.config.choose("kind", {"overlong_penalty": None})
    longest = case.config.take("max_new_tokens")
    punishment = SoftOverlong(
        max_length=longest,
        buffer_length=case.config.take("buffer_len"),
        factor=case.config.take("factor"),
    )
    lengths, rewards = case.inputs.tensor("lengths").long(), case.inputs.tensor("rewards")
    batch = rollout_batch(
        torch.ones(len(lengths), 1, dtype=torch.float64), lengths=lengths, rewards=rewards
    )
    shaped, _ = punishment.shape(batch, None)
    case.check("rewards", shaped.rewards)
