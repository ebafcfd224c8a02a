"""A decoder over two other models' logits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etude.component import Need, component, option
from etude.rollout.logits.interface import Logits

if TYPE_CHECKING:
    from torch import Tensor


@component(
    group="rollout/logits",
    name="between",
    requires=[
        Need("model:{towards}", why="whose tokens are drawn more often"),
        Need("model:{away}", why="whose tokens are drawn less often"),
    ],
)
@dataclass(frozen=True)
class Between(Logits):
    """Draws towards one model and away from another."""

    towards: str = option("judge", "the model that is followed", form="filled")
    away: str = option("novice", "the model that is kept from", form="filled")
    strength: float = option(0.3, "how far; 0: the policy alone", ge=0)

    @property
    def own(self) -> bool:
        """Tell whether the policy draws alone."""
        return self.strength == 0

    def combine(self, own: Tensor, others: Mapping[str, Tensor]) -> Tensor:
        """Return the policy's logits, moved by the difference of the two others'."""
        return own + self.strength * (others[self.towards] - others[self.away])
