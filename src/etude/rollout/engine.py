"""What every rollout engine offers, so that one can take the place of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from etude.rows import Request, Sampled

if TYPE_CHECKING:
    from etude.model.policy import Policy
    from etude.rollout.logits.interface import Logits


@dataclass(frozen=True)
class Combination:
    """What tokens are drawn from where several models have a say: how, and their engines by role.

    The engines are of the same kind as the one that samples.
    """

    part: Logits
    engines: Mapping[str, Any]


class Watch(Protocol):
    """Who hears of rollouts that have ended while others are still sampled."""

    def ended(self, found: Sequence[tuple[int, Sampled]]) -> None:
        """Hear of rollouts as they will be returned, each with the place of its request.

        Whether they were ``combined`` is known at the end alone.
        """

    def meanwhile(self) -> None:
        """Do what takes no time; called again and again, between tokens."""


class Engine(Protocol):
    """Turns requests into rollouts, with weights of its own that change only when synced.

    One whose ``tells_what_ended`` is true takes a ``watch`` as well: a :class:`Watch`, which it
    tells of rollouts as they end. It need not tell of all.

    One that is costly to open has ``sampling_as(component)``: it returns an engine of the same
    weights that samples as another component of ``rollout`` says, synced and closed with this one,
    or None where that takes an engine of its own.
    """

    def sample(
        self,
        requests: Sequence[Request],
        *,
        temperature: float | None = None,
        logits: Combination | None = None,
    ) -> list[Sampled]:
        """Return one rollout for each request, in the order asked.

        ``temperature`` takes the place of the component's for this call. With ``logits`` tokens are
        drawn from a combination of models, and their log-probs are those of it. Forced prefixes
        were drawn by nobody and have log-probs of 0 then.
        """

    def sync(self, policy: Policy) -> None:
        """Take over the policy's present weights."""

    def close(self) -> None:
        """Free what the engine holds."""


class EngineComponent(Protocol):
    """A component of the group ``rollout``.

    One whose ``samples_as_trained`` is true computes log-probs as the trainer does, up to rounding:
    ``objective.mismatch`` is off there.
    """

    temperature: float
    max_new_tokens: int

    def engine(self, policy: Policy) -> Engine:
        """Return an engine that samples from the policy's present weights."""


def shared(engines: Iterable[Any], component: Any) -> Any:
    """Return the first of some open engines as it samples by another component, None if none can.

    They are engines of one model.
    """
    for engine in engines:
        samples = getattr(engine, "sampling_as", None)
        found = None if samples is None else samples(component)
        if found is not None:
            return found
    return None
