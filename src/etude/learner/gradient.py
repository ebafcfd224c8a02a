"""The gradient of a loss, kept beside the parameters: every rank holds what it moves of it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from etude.distributed.sharding import is_sharded
from etude.distributed.world import current
from etude.errors import ModelError

_LAYER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class LossGradient:
    """The gradient of a loss in some parameters, in their order.

    ``parts`` are this rank's rows of each and ``shared`` says which of them every rank has whole.
    Its numbers are the same on every rank; all ranks ask for them together.
    """

    parts: tuple[Tensor, ...]
    shared: tuple[bool, ...]

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        parameters: Sequence[nn.Parameter],
        own: Sequence[nn.Parameter],
        layers: Sequence[int] | None,
    ) -> LossGradient:
        """Return the gradient that lies at ``own``, this rank's rows of ``parameters``.

        Raises ModelError where no parameter lies in one of the layers.
        """
        wanted = None if layers is None else set(layers)
        places = [i for i, name in enumerate(names) if wanted is None or _layer(name) in wanted]
        if not places:
            there = sorted({layer for name in names if (layer := _layer(name)) is not None})
            some = f"those that are trained are {there[0]} to {there[-1]}" if there else "none is"
            raise ModelError(f"a gradient is asked for in layers {sorted(wanted or ())}; {some}")
        parts = [own[i].grad for i in places]
        return cls(
            tuple(
                torch.zeros_like(own[i]) if part is None else part.detach()
                for i, part in zip(places, parts, strict=True)
            ),
            tuple(not is_sharded(parameters[i]) for i in places),
        )

    def dot(self, other: LossGradient) -> float:
        """Return the inner product with another gradient in the same parameters."""
        mine = math.fsum(
            float((one.double() * two.double()).sum())
            for one, two, shared in zip(self.parts, other.parts, self.shared, strict=True)
            if not shared or current().is_main
        )
        return math.fsum(current().gather(mine))

    def norm(self) -> float:
        """Return the Euclidean norm."""
        return math.sqrt(self.dot(self))

    def flat(self) -> Tensor:
        """Return the whole gradient as one vector, float32, on the CPU."""
        mine = [part.float().cpu() for part in self.parts]
        hands = current().gather(mine)
        whole = [
            mine[i] if shared else torch.cat([hand[i] for hand in hands])
            for i, shared in enumerate(self.shared)
        ]
        return torch.cat([part.reshape(-1) for part in whole])


def _layer(name: str) -> int | None:
    found = _LAYER.search(name)
    return int(found[1]) if found else None
