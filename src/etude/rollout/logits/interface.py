"""A decoder part: what distribution the next token is drawn from, once every model has read on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from etude.built import roles_of
from etude.component import SHOWS_LOGITS, TO_COMBINE, Need

if TYPE_CHECKING:
    from torch import Tensor

    from etude.component import Declaration


class Drawn(ABC):
    """What tokens are drawn from; a component of your own is a :class:`Logits`."""

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


class Logits(Drawn):
    """A component of the slot ``rollout.logits``: combines the logits of several models.

    It declares the models that it reads beside the one that writes:
    ``requires=[Need("model:{judge}")]``, with a field ``judge``; they must have the same tokens.
    Rows drawn through it hold the log-probs of the combination, as the old ones. It works with
    engines that show the logits of every token.
    """

    base_requires: ClassVar[tuple[Need, ...]] = (Need(SHOWS_LOGITS, why=TO_COMBINE),)
