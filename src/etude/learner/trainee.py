"""One trained model with its optimizer: micro-batch losses in, one clipped step out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from etude.distributed.world import current
from etude.errors import StageError
from etude.learner.gradient import LossGradient
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
        _ = policy.reading  # refuses what cannot be trained, before anything is
        policy.shard(current())
        self.policy = policy
        self.head = head
        self.steps = steps
        self._seed = seed
        self._recipe = optimizer
        self._clip = gradient_clip
        self._rate: float | None = None
        own = [] if head is None else list(head.parameters())
        self._trained = [*policy.trainable_parameters(), *own]
        self._moved = _moved(self._trained, policy)
        self._optimizer = self._made()

    def _made(self) -> torch.optim.Optimizer:
        return self._recipe.make(self._trained if self._moved is None else self._moved.own)

    def update(self, losses: Iterable[torch.Tensor], step: int, part: int = 0) -> dict[str, float]:
        """Add the gradients of ``losses``, clip them, and step; return what a log wants.

        ``part`` numbers the updates of a step. Raises StageError when the gradient is not finite:
        such a step would spoil the model.
        """
        total, norm, parameters = self._backward(losses, step, part)
        if self._clip is not None and parameters:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._clip, torch.tensor(norm))
        rate = self._recipe.rate(step, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._rate = rate
        self.policy.updates += 1
        return {"loss": total, "gradient_norm": norm, "learning_rate": rate}

    def gradient(
        self, losses: Iterable[torch.Tensor], step: int, layers: Sequence[int] | None = None
    ) -> LossGradient:
        """Return the gradient of ``losses``, clipped like that of an update, and move nothing.

        ``layers`` are the numbers of the layers it is kept of, every parameter where it is None.
        Raises ModelError where no trained parameter lies in one of them.
        """
        _, norm, parameters = self._backward(losses, step, 0)
        if self._clip is not None and parameters:
            torch.nn.utils.clip_grads_with_norm_(parameters, self._clip, torch.tensor(norm))
        names = {id(p): name for name, p in self.policy.model.named_parameters()}
        own = self._trained if self._moved is None else self._moved.own
        found = LossGradient.of(
            [names.get(id(p), "") for p in self._trained], self._trained, own, layers
        )
        for parameter in (*self._trained, *own):
            parameter.grad = None
        return found

    def _backward(
        self, losses: Iterable[torch.Tensor], step: int, part: int
    ) -> tuple[float, float, list[nn.Parameter]]:
        """Return the sum of losses, the norm of its gradient, and the parameters that have it."""
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
            raise StageError(self._why_not_finite(step, total, norm))
        return total, norm, parameters

    def _why_not_finite(self, step: int, loss: float, norm: float) -> str:
        """Return what is known of why a gradient is not finite."""
        head = f"the gradient of step {step} is not finite (loss {loss:g}, norm {norm})"
        moved = step > 0 or self.policy.updates > 0
        since = (
            "" if self._rate is None else f" (the last one had the learning rate {self._rate:g})"
        )
        broken = self.policy.not_finite()
        if broken and moved:
            return (
                f"{head}: the weights {broken} are no finite numbers any more, so an update has "
                f"spoiled them{since}; a smaller optimizer.lr makes smaller updates"
            )
        if broken:
            return (
                f"{head}: the weights {broken} are no finite numbers, and no update was made "
                "before: the model that the stage starts from is broken"
            )
        what = (
            "the loss is, so its gradient overflows" if math.isfinite(loss) else "the loss is not"
        )
        if moved:
            return (
                f"{head}: the weights are finite, {what}. If the loss or the gradient's norm rose "
                f"over the steps before{since}, a smaller optimizer.lr helps (metrics.jsonl)"
            )
        return (
            f"{head}: the weights are finite, {what}, and no update was made before, so it is the "
            "rows of this step or the objective's arithmetic, and not optimizer.lr"
        )

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

    def reset(self) -> None:
        """Begin with an optimizer that has moved nothing yet."""
        self._optimizer = self._made()

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
