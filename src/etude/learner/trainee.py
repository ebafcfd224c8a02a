"""One trained model with its optimizer: micro-batch losses in, one clipped step out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from etude.distributed.world import current
from etude.errors import StageError
from etude.model.policy import Policy
from etude.optimizer.adamw import AdamW
from etude.randomness import seed_of

if TYPE_CHECKING:
    from etude.distributed.moving import Moved


class Trainee:
    """A policy, its optimizer and its schedule; nothing else knows how parameters move.

    ``steps`` is the number of steps the schedule spans. Losses handed to :meth:`update` already
    carry the denominators of the whole update batch, so they add. ``seed`` is what the passes draw
    from where a model draws (the dropout of adapters), anew in every update.
    ``head`` is a module on the policy's states that moves with it.

    In a world of several ranks the policy is sharded, each rank hands in the losses of its own
    micro-batches (as many as every other), and gradients and losses are summed over the ranks. The
    head is not sharded.
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
        policy.shard(current())
        self.policy = policy
        self.head = head
        self.steps = steps
        self._seed = seed
        self._recipe = optimizer
        self._clip = gradient_clip
        own = [] if head is None else list(head.parameters())
        self._trained = [*policy.trainable_parameters(), *own]
        self._moved = _moved(self._trained, policy)
        self._optimizer = optimizer.make(self._trained if self._moved is None else self._moved.own)

    def update(self, losses: Iterable[torch.Tensor], step: int, part: int = 0) -> dict[str, float]:
        """Add the gradients of ``losses``, clip them, and step; return what a log wants.

        ``part`` numbers the updates of a step. Raises StageError when the gradient is not finite:
        such a step would spoil the model.
        """
        for parameter in self._trained:
            parameter.grad = None
        total = 0.0
        shards = self.policy.shards
        with self._drawing(step, part):
            for loss in losses:
                total += float(loss.detach())
                tied = loss if shards is None else shards.tied(loss)
                if tied.requires_grad:
                    tied.backward()
        if self._moved is None:
            parameters = [p for p in self._trained if p.grad is not None]
            gradients = [p.grad for p in parameters if p.grad is not None]
            norm = float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
        else:
            total, norm = self._moved.sum_over_ranks(total)
            parameters = [p for p in self._moved.own if p.grad is not None]
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
        """Let torch draw what belongs to this update, whatever was drawn before it.

        Ranks see other rows, so they draw other numbers.
        """
        device = self.policy.device
        rank = current().rank
        key = (step, part) if rank == 0 else (step, part, rank)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed_of("update", self._seed, *key) % 2**63)
            yield

    def optimizer_state(self) -> dict[str, Any]:
        """Return the optimizer's state alone, for a second trainee of the same policy."""
        if self._moved is None:
            return self._optimizer.state_dict()
        return self._moved.parts_of(self._optimizer)

    def load_optimizer_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`optimizer_state` returned, to the bit."""
        if self._moved is None:
            self._optimizer.load_state_dict(state)
        else:
            self._moved.load(self._optimizer, state)

    def state_dict(self) -> dict[str, Any]:
        """Return parameters, buffers and optimizer state; of a sharded policy this rank's parts."""
        return {
            "model": (self.policy.shards or self.policy.model).state_dict(),
            "head": {} if self.head is None else self.head.state_dict(),
            "optimizer": self.optimizer_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned, to the bit, on any number of ranks."""
        (self.policy.shards or self.policy.model).load_state_dict(state["model"])
        if self.head is not None:
            self.head.load_state_dict(state["head"])
        self.load_optimizer_state(state["optimizer"])


def _moved(parameters: list[nn.Parameter], policy: Policy) -> Moved | None:
    """Return what this rank moves of a sharded policy's parameters; None where it moves all."""
    if policy.shards is None:
        return None
    from etude.distributed.moving import Moved

    return Moved(parameters, policy.shards, current())
