"""The optimizer's side of sharded parameters: what a rank moves, its gradients, its state.

An optimizer is given plain tensors that share memory with this rank's rows, so elementwise updates
are those of one process, cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import distributed, nn

from etude.distributed.block import Block, rows_of
from etude.distributed.sharding import Shards, held, is_sharded, local
from etude.distributed.world import World


class Moved:
    """What one rank moves of the parameters that an optimizer trains.

    ``own`` are its rows of each parameter, as parameters in the same memory; a parameter that every
    rank has whole (a head) stands for itself.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], shards: Shards, world: World) -> None:
        self._whole = list(parameters)
        self._shards = shards
        self._world = world
        self.own = [nn.Parameter(local(p.detach())) if is_sharded(p) else p for p in self._whole]

    def sum_over_ranks(self, loss: float) -> tuple[float, float]:
        """Give ``own`` the gradients of all ranks' losses; return the whole loss and their norm."""
        self._shards.settle()
        measured = []
        for parameter, mine in zip(self._whole, self.own, strict=True):
            if is_sharded(parameter):  # FSDP has summed it
                mine.grad = None if parameter.grad is None else local(parameter.grad)
                once = True
            else:
                mine.grad = torch.zeros_like(mine) if mine.grad is None else mine.grad
                distributed.all_reduce(mine.grad)
                once = self._world.is_main
            if mine.grad is not None and once:
                measured.append(mine.grad)
        norm = float(torch.nn.utils.get_total_norm(measured)) if measured else 0.0
        found = self._world.gather((loss, norm))
        return sum(each for each, _ in found), math.hypot(*(each for _, each in found))

    def parts_of(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Return an optimizer's state with what belongs to this rank's rows marked as such."""
        return self._each(optimizer.state_dict(), optimizer, _part)

    def load(self, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        """Give an optimizer this rank's part of a state that any number of ranks wrote."""
        optimizer.load_state_dict(self._each(state, optimizer, _own))

    def _each(
        self,
        state: dict[str, Any],
        optimizer: torch.optim.Optimizer,
        change: Callable[[Any, nn.Parameter], Any],
    ) -> dict[str, Any]:
        whole = {id(mine): p for mine, p in zip(self.own, self._whole, strict=True)}
        # In the order in which the optimizer numbers them.
        order = [whole[id(mine)] for group in optimizer.param_groups for mine in group["params"]]
        entries = {
            number: {name: change(value, order[number]) for name, value in entry.items()}
            for number, entry in state["state"].items()
        }
        return {**state, "state": entries}


def _part(value: Any, parameter: nn.Parameter) -> Any:
    place = held(parameter)
    if not isinstance(place, Block) or not _follows(value, place.local.shape):
        return value
    return Block(value, place.shape, place.start)


def _own(value: Any, parameter: nn.Parameter) -> Any:
    place = held(parameter)
    if isinstance(value, Block):
        return value.local
    if not isinstance(place, Block) or not _follows(value, place.shape):
        return value
    # A copy: what was read may be a view of the file.
    return rows_of(value, place.start, len(place.local)).clone()


def _follows(value: Any, shape: Sequence[int]) -> bool:
    """Return whether a part of the state has a number for each element of its parameter."""
    return hasattr(value, "shape") and tuple(value.shape) == tuple(shape)
