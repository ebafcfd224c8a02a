"""AdamW, with a schedule on its learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch

from etude.component import component, option, slot
from etude.optimizer.schedule.shape import Schedule


@component(source="arXiv 1711.05101")
@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay."""

    words: ClassVar[str] = "adamw, learning rate {lr}, {schedule}"

    lr: float = option(1e-4, "peak learning rate", gt=0, le=100)
    beta1: float = option(0.9, "decay of the mean of gradients", ge=0, lt=1)
    beta2: float = option(0.95, "decay of the mean of squared gradients", ge=0, lt=1)
    epsilon: float = option(1e-8, "added to the root of the mean square", gt=0)
    weight_decay: float = option(0.0, "decoupled decay, applied to matrices only", ge=0)
    schedule: Schedule = slot("constant", "how the learning rate moves over the stage")

    def make(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer; vectors (norms, biases) are not decayed."""
        trained = [p for p in parameters if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.dim() >= 2], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=self.lr,
            betas=(self.beta1, self.beta2),
            eps=self.epsilon,
            foreach=True,
        )

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of step number ``step`` of ``steps``."""
        return self.lr * self.schedule.factor(step, steps)
