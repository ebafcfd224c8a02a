"""What every rollout engine offers, so that one can take the place of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from etude.rows import Request, Sampled

if TYPE_CHECKING:
    from etude.model.policy import Policy


class Engine(Protocol):
    """Turns requests into rollouts, with weights of its own that change only when synced."""

    def sample(
        self, requests: Sequence[Request], *, temperature: float | None = None
    ) -> list[Sampled]:
        """Return one rollout for each request, in the order asked.

        ``temperature`` takes the place of the component's for this call.
        """

    def sync(self, policy: Policy) -> None:
        """Take over the policy's present weights."""

    def close(self) -> None:
        """Free what the engine holds."""


class EngineComponent(Protocol):
    """A component of the group ``rollout``."""

    temperature: float
    max_new_tokens: int

    def engine(self, policy: Policy) -> Engine:
        """Return an engine that samples from the policy's present weights."""
