"""C51: the distribution of the next token's value, moved by the reward (arXiv 1707.06887).

    x_j = clip(r_t + γ·z_j)      p = the mass of p°_{t+1} at x, each shared between its neighbours

p° is the critic before the update. At a response's last token every x_j is r_t. The target is
one step ahead (no λ): advantages still come from the values and returns of GAE. ``gamma`` is the
critic's own; give it the advantage's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Rule, component, option
from etude.objective.batch import RolloutBatch
from etude.objective.critic.loss.categorical import Categorical
from etude.primitives.categorical import atoms, project
from etude.primitives.masked import as_float, keep


@component(source="arXiv 1707.06887")
@dataclass(frozen=True)
class C51(Categorical):
    """Cross-entropy against the projected distribution of the next token."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "stage.objective.advantage.gamma == null or gamma == stage.objective.advantage.gamma",
            "is {gamma} and objective.advantage.gamma={stage.objective.advantage.gamma}: critic "
            "and advantage must discount alike.",
            key="gamma",
        ),
    )

    gamma: float = option(1.0, "discount from one token to the next", ge=0, le=1)

    @property
    def places(self) -> Tensor:
        """Return the places, both ends of the support included, ``[m]``."""
        return atoms(self.v_min, self.v_max, self.bins)

    def bellman(self, following: Tensor, rewards: Tensor, last: Tensor) -> Tensor:
        """Return the target distributions ``[…, m]``.

        ``following [..., m]`` are the distributions of the next tokens, ``rewards`` and ``last``
        (1 where no token follows) are ``[…]``.
        """
        places = self.places.to(following)
        moved = rewards.unsqueeze(-1) + self.gamma * (1 - last.to(places)).unsqueeze(-1) * places
        return project(following, moved, places)

    def targets(self, batch: RolloutBatch, returns: Tensor, outputs: Tensor) -> Tensor:
        """Return the target distribution of every token, ``[N, T, m]``; 0 off the mask.

        Tokens outside the mask are stepped over: the next token is the next one that counts.
        """
        mask = as_float(batch.mask)
        found = as_float(outputs).softmax(-1)
        rewards = keep(as_float(batch.token_rewards), mask).to(found)
        following, last = torch.zeros_like(found), torch.ones_like(mask)
        ahead = torch.full_like(found[:, 0], 1 / self.bins)
        ended = torch.ones_like(mask[:, 0])
        for t in range(mask.shape[1] - 1, -1, -1):
            on = mask[:, t] > 0
            following[:, t], last[:, t] = ahead, ended
            ahead = torch.where(on.unsqueeze(-1), found[:, t], ahead)
            ended = torch.where(on, torch.zeros_like(ended), ended)
        return keep(self.bellman(following, rewards, last), mask.unsqueeze(-1))

    def distribution(self, targets: Tensor) -> Tensor:
        """Return the targets, which are distributions already."""
        return targets
