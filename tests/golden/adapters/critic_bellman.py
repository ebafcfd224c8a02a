"""C51: the next token's distribution moved by the reward."""

from __future__ import annotations

from typing import Any

import torch
from golden_critic import loss_of

METHOD = "classification_critic"
CONFIG = {"target"}
INPUTS = {"next_probs"}


def run(case: Any) -> None:
    loss = loss_of(case.config)
    following, rewards = case.inputs.tensor("next_probs"), case.inputs.tensor("rewards")
    last = torch.tensor(case.inputs.take("done"))
    found = loss.bellman(following, rewards, last)
    case.check("locations", loss.places)
    case.check("probs", found)
    case.check("mean_of_probs", found @ loss.places)
    # What the projection keeps: the mean of the moved places, clipped to the support.
    moved = rewards[:, None] + loss.gamma * (1 - last.double())[:, None] * loss.places
    clipped = moved.clamp(loss.v_min, loss.v_max)
    case.check("clipped_bellman_mean", (following * clipped).sum(-1))
