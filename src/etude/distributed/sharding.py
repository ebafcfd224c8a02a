"""A model cut over the ranks with FSDP2: each holds some rows of every parameter.

The transformer blocks gather their weights for their own turn; everything else (embedding, last
norm, output matrix) is gathered for a whole pass. Losses carry the denominators of the whole update
batch, so gradients are summed over the ranks and never averaged.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from etude.distributed.block import Block, rows_of
from etude.distributed.world import World

Result = TypeVar("Result")


class _Entrance(nn.Module):
    """What a pass goes through: FSDP gathers and frees weights around it.

    A policy runs its decoder alone and the output matrix when it is asked for logits, so the
    model's own ``forward`` would be the wrong place for that.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[], Any]) -> Any:
        """Return what ``work`` makes of the model."""
        return work()


class Shards:
    """The parameters of a model, cut over the ranks in place."""

    def __init__(
        self,
        model: nn.Module,
        blocks: Iterable[nn.Module],
        world: World,
        device: torch.device,
        compute: torch.dtype,
    ) -> None:
        self._model = model
        self._rank = world.rank
        # Without weights; FSDP changes the classes of modules, and what is saved or sampled from
        # should be the plain model.
        self._shell = _shell(model)
        self._last: Tensor | None = None
        mesh = init_device_mesh(device.type, (world.size,))
        precision = MixedPrecisionPolicy()
        if compute != next(model.parameters()).dtype:
            precision = MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=torch.float32)
        for block in blocks:
            fully_shard(block, mesh=mesh, mp_policy=precision)
        entrance: Any = _Entrance(model)
        self._entrance: Any = fully_shard(
            entrance, mesh=mesh, mp_policy=precision, reshard_after_forward=False
        )
        for module in entrance.modules():
            if isinstance(module, FSDPModule):
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)

    def enter(self, work: Callable[[], Result]) -> Result:
        """Return what ``work`` makes of the model, whose weights are gathered for it.

        All ranks enter together. The weights outside the blocks stay gathered until the backward
        pass or :meth:`settle`.
        """
        found: Result = self._entrance(work)
        if isinstance(found, Tensor) and found.requires_grad:
            self._last = found
        return found

    def tied(self, loss: Tensor) -> Tensor:
        """Return a loss whose backward pass reaches the model even if the loss did not.

        All ranks go backward together, also one whose rows leave nothing to learn.
        """
        last, self._last = self._last, None
        return loss if last is None else loss + 0.0 * last.flatten()[0]

    def settle(self) -> None:
        """Free gathered weights, so that the model's parameters are this rank's parts."""
        self._entrance.reshard()

    def gathered(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter whole, in order; all ranks take each."""
        self.settle()
        for name, parameter in self._model.named_parameters():
            yield name, whole(parameter.detach())

    def whole_model(
        self, device: torch.device | None = None, *, wanted: bool = True
    ) -> nn.Module | None:
        """Return the plain model with all its weights; all ranks ask together.

        ``wanted`` False returns None and keeps no weights: this rank only gives its part.
        """
        found: dict[int, Any] = {}
        slots = dict(self._shell.named_parameters())
        for name, tensor in self.gathered():
            if wanted:
                one = tensor if device is None else tensor.to(device)
                trained = slots[name].requires_grad
                found[id(slots[name])] = nn.Parameter(one, requires_grad=trained)
        model = copy.deepcopy(self._shell, found) if wanted else None
        return model if model is None or device is None else model.to(device)

    def own(self) -> list[Tensor]:
        """Return this rank's rows of every parameter, with gradient."""
        self.settle()
        return [local(parameter) for parameter in self._model.parameters()]

    def mark(self, tensors: Sequence[Tensor]) -> list[Tensor | Block]:
        """Return tensors like :meth:`own`, or none, as parts of whole ones."""
        if not tensors:
            return []
        self.settle()
        return [
            replace(place, local=one) if isinstance(place := held(p), Block) else one
            for one, p in zip(tensors, self._model.parameters(), strict=True)
        ]

    def unmark(self, stored: Sequence[Any]) -> list[Tensor]:
        """Return this rank's rows of what :meth:`mark` gave on any number of ranks."""
        if not stored:
            return []
        self.settle()
        places = [held(parameter) for parameter in self._model.parameters()]
        return [
            rows_of(one, place.start, len(place.local)).clone() if isinstance(place, Block) else one
            for one, place in zip(stored, places, strict=True)
        ]

    @torch.no_grad()
    def take(self, weights: Mapping[str, Tensor]) -> None:
        """Give every parameter this rank's rows of a whole one, by name."""
        self.settle()
        for name, parameter in self._model.named_parameters():
            part = held(parameter)
            if isinstance(part, Block):
                part.local.copy_(rows_of(weights[name], part.start, len(part.local)))
            else:
                part.copy_(weights[name])

    def state_dict(self) -> dict[str, Any]:
        """Return parameters as this rank's parts, and buffers."""
        self.settle()
        return {name: held(value) for name, value in self._model.state_dict().items()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore this rank's parts of a state that any number of ranks wrote."""
        self.settle()
        own = self._model.state_dict()
        if set(own) != set(state):
            odd = sorted(set(own) ^ set(state))
            raise KeyError(f"the state and the model differ in {', '.join(odd[:3])}")
        for name, target in own.items():
            value = state[name]
            part = held(target)
            if isinstance(part, Block):
                part.local.copy_(rows_of(value, part.start, len(part.local)))
            else:
                part.copy_(value)


def _shell(model: nn.Module) -> nn.Module:
    """Return a copy of a model whose parameters have a shape and no content."""
    empty = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in model.parameters()
    }
    return copy.deepcopy(model, empty)


def is_sharded(tensor: Tensor) -> bool:
    """Return whether this rank holds only some rows of a tensor."""
    return isinstance(tensor, DTensor)


def local(tensor: Tensor) -> Tensor:
    """Return the rows of a tensor that this rank holds, in the same memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """Return all rows of a tensor; all ranks ask together for one that is sharded."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def held(tensor: Tensor) -> Tensor | Block:
    """Return a sharded tensor as this rank's part of it, another as it is."""
    if not isinstance(tensor, DTensor):
        return tensor
    return Block(tensor.to_local(), tuple(tensor.shape), start_of(tensor))


def start_of(tensor: DTensor) -> int:
    """Return the first row of a sharded tensor that this rank holds."""
    mesh = tensor.device_mesh
    each = -(-tensor.shape[0] // mesh.size())
    return min(mesh.get_local_rank() * each, tensor.shape[0])
