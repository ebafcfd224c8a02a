"""A decoder part: what distribution the next token is drawn from, once every model has read on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from etude.built import roles_of

if TYPE_CHECKING:
    from torch import Tensor

    from etude.component import Declaration


class Logits(ABC):
    """A component of the slot ``rollout.logits``: combines the logits of several models.

    It declares the models that it reads beside the one that writes:
    ``requires=[Need("model:{judge}")]``, with a field ``judge``; they must have the same tokens.
    Rows drawn through it hold the log-probs of the combination, as the old ones.
    """

    declaration: ClassVar[Declaration]

    #: True where tokens are drawn from the writing model's own distribution.
    own: ClassVar[bool] = False

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the roles of the other models, as it declares them."""
        return roles_of(self)

    @abstractmethod
    def combine(self, own: Tensor, others: Mapping[str, Tensor]) -> Tensor:
        """Return the logits ``[n, V]`` to draw from, of each model's own by role.

        They are float32 (float64 stays) and not yet divided by the temperature; a row depends on
        that row of each alone. Where ``own`` itself is returned throughout, the model draws alone,
        and its rows are like any.
        """
