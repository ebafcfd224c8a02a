"""The distribution of the model that writes, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etude.component import component
from etude.rollout.logits.interface import Drawn

if TYPE_CHECKING:
    from torch import Tensor


@component()
@dataclass(frozen=True)
class Own(Drawn):
    """Tokens are drawn from the model's own distribution."""

    own: ClassVar[bool] = True

    def combine(self, own: Tensor, others: Mapping[str, Tensor]) -> Tensor:
        """Return the model's logits as they are."""
        return own
