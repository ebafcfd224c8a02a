"""One trained model with its optimizer: micro-batch losses in, one clipped step out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from etude.errors import StageError
from etude.model.policy import Policy
from etude.optimizer.adamw import AdamW
from etude.randomness import seed_of


class Trainee:
    """A policy, its optimizer and its schedule; nothing else knows how parameters move.

    ``steps`` is the number of steps the schedule spans. Losses handed to :meth:`update` already
    carry the denominators of the whole update batch, so they add. ``seed`` is what the passes draw
    from where a model draws (the dropout of adapters), anew in every update.
    ``head`` is a module on the policy's states that moves with it.
    """

    def __init__(
        self,
        policy: Policy,
        optimizer: AdamW,
        steps: int,
        gradient_clip: float | None,
        seed: int = 0,
        head: nn.Module | None = None,
    ) -> None:
        self.policy = policy
        self.head = head
        self.steps = steps
        self._seed = seed
        self._recipe = optimizer
        self._clip = gradient_clip
        own = [] if head is None else list(head.parameters())
        self._trained = [*policy.trainable_parameters(), *own]
        self._optimizer = optimizer.make(self._trained)

    def update(self, losses: Iterable[torch.Tensor], step: int, part: int = 0) -> dict[str, float]:
        """Add the gradients of ``losses``, clip them, and step; return what a log wants.

        ``part`` numbers the updates of a step. Raises StageError when the gradient is not finite:
        such a step would spoil the model.
        """
        self._optimizer.zero_grad(set_to_none=True)
        total = 0.0
        with self._drawing(step, part):
            for loss in losses:
                total += float(loss.detach())
                if loss.requires_grad:
                    loss.backward()
        parameters = [p for p in self._trained if p.grad is not None]
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
        if not math.isfinite(norm):
            raise StageError(
                f"the gradient of step {step} is not finite (loss {total:g}, norm {norm}); "
                "a smaller optimizer.lr or training.gradient_clip often helps"
            )
        if self._clip is not None and parameters:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._clip, torch.tensor(norm))
        rate = self._recipe.rate(step, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        return {"loss": total, "gradient_norm": norm, "learning_rate": rate}

    @contextmanager
    def _drawing(self, step: int, part: int) -> Iterator[None]:
        """Let torch draw what belongs to this update, whatever was drawn before it."""
        device = self.policy.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed_of("update", self._seed, step, part) % 2**63)
            yield

    def optimizer_state(self) -> dict[str, Any]:
        """Return the optimizer's state alone, for a second trainee of the same policy."""
        return self._optimizer.state_dict()

    def load_optimizer_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`optimizer_state` returned, to the bit."""
        self._optimizer.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """Return parameters, buffers and optimizer state."""
        return {
            "model": self.policy.model.state_dict(),
            "head": {} if self.head is None else self.head.state_dict(),
            "optimizer": self.optimizer_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self.policy.model.load_state_dict(state["model"])
        if self.head is not None:
            self.head.load_state_dict(state["head"])
        self.load_optimizer_state(state["optimizer"])
