"""The parts a policy-gradient objective is made of: one class for each slot.

A part is a frozen dataclass. What changes from step to step lives in a state object that the part
makes (:meth:`Part.make_state`); it is handed back at every call and travels in every checkpoint.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor

from etude.objective.batch import Forward, LossBatch, RolloutBatch, Totals
from etude.objective.loss import Estimate, ScalarLoss, TokenLoss


class PartState(Protocol):
    """The mutable state of one part."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as JSON scalars, lists, dicts and tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""


class Part:
    """What all parts share; most have no state."""

    #: True when the part must see all rows of a prompt in one call.
    whole_groups: ClassVar[bool] = False
    #: True when the part reads the trainer's log-probs of the sampling policy before the update.
    reads_old_logprobs: ClassVar[bool] = False

    def make_state(self) -> PartState | None:
        """Return the part's state at the start of a stage, or None when it has none."""
        return None


class Shaping(Part, ABC):
    """Changes the rewards of a rollout batch before advantages are computed."""

    @abstractmethod
    @abstractmethod
    def shape(self, batch: RolloutBatch, state: Any) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with its rewards changed, and numbers for the log."""


class Masking(Part, ABC):
    """Takes rows or tokens out of the loss; their rewards stay in the group's statistics."""

    @abstractmethod
    @abstractmethod
    def mask(self, batch: RolloutBatch) -> Tensor:
        """Return the mask with tokens taken out, ``[N, T]``."""


class Advantage(Part, ABC):
    """Turns rewards into advantages, over the whole rollout batch."""

    @abstractmethod
    @abstractmethod
    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token, detached."""


class GroupFilter(Part, ABC):
    """Drops prompt groups before the update; ``refill`` says whether others are sampled instead.

    ``metric`` is the number groups are judged by: ``reward`` or the name of a verifier part.
    ``max_batches`` bounds how many batches are sampled for one step (0: no bound).
    """

    refill: ClassVar[bool] = False
    metric: str
    max_batches: int

    @abstractmethod
    @abstractmethod
    def keep(self, groups: Sequence[Sequence[float]]) -> list[bool]:
        """Return for each group (the metric of each of its rows) whether it is kept."""


class PolicyLoss(Part, ABC):
    """The loss of the policy, to minimise, before aggregation."""

    @abstractmethod
    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss | ScalarLoss:
        """Return the loss of every token, or a scalar where the method has no token form."""


class Modifier(Part, ABC):
    """Changes single token losses after the policy loss (weights, penalties, dropped tokens)."""

    @abstractmethod
    @abstractmethod
    def modify(
        self, tokens: TokenLoss, batch: LossBatch, forward: Forward, state: Any
    ) -> TokenLoss:
        """Return the token losses as changed."""


class Aggregation(Part, ABC):
    """Turns a matrix of token losses into one number: how much each token weighs."""

    @abstractmethod
    @abstractmethod
    def weights(self, mask: Tensor, totals: Totals) -> Tensor:
        """Return the weight of every token, ``[N, T]``; the loss is the sum of weight × loss.

        ``mask`` is that of a micro-batch and ``totals`` are those of the update batch.
        """


class Regularizer(Part, ABC):
    """A term added to the loss, aggregated like the policy loss."""

    @property
    def active(self) -> bool:
        """Return whether the term is not identically 0."""
        return True

    @abstractmethod
    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> TokenLoss:
        """Return the term of every token, its coefficient included."""


class Auxiliary(Part, ABC):
    """A loss of its own beside the policy loss (a critic, imitation), with its own denominators."""

    @abstractmethod
    @abstractmethod
    def loss(self, batch: LossBatch, forward: Forward, state: Any) -> ScalarLoss:
        """Return the loss, coefficient and denominators included; it adds over micro-batches."""
