"""Whoever opens verifiers: a stage, an evaluation of its own, or a command that only judges.

All ranks open together, before anything is judged. From then on each rank judges rows of its own,
as many as happen to be its share, so judging holds no meeting of ranks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from etude.errors import VerifierError


class Host(Protocol):
    """What a verifier is given to open with."""

    seed: int
    """The seed of the stage, or of the evaluation."""

    @property
    def rollout(self) -> Any:
        """Return the component by which its policy samples."""

    @property
    def workers(self) -> int:
        """Return how many worker processes a verifier that runs in some may have."""

    def open(self, component: Any) -> Any:
        """Return the live side of a part: of a verifier that this one wraps, its :class:`Judge`.

        It is opened once and kept, saved, told of steps and closed by the host.
        """

    def model(self, name: str) -> Any:
        """Return the model of a role that the verifier requires (``model:judge``), frozen."""

    def engine(self, name: str, sampling: Any = None) -> Any:
        """Return what samples from that model, by a rollout component or else the host's."""


@dataclass
class Alone:
    """A host without a stage: worker processes, and no models."""

    workers: int = 1
    seed: int = 0
    rollout: Any = None
    opened: dict[int, Any] = field(default_factory=dict)

    def open(self, component: Any) -> Any:
        """Return the judge of a verifier, opened once."""
        if id(component) not in self.opened:
            self.opened[id(component)] = component.open(self)
        return self.opened[id(component)]

    def model(self, name: str) -> Any:
        """Raise VerifierError: there is no stage that has models."""
        raise VerifierError(f"the model '{name}' is asked to judge, and there is none here")

    def engine(self, name: str, sampling: Any = None) -> Any:
        """Raise VerifierError: there is no stage that has models."""
        return self.model(name)

    def close(self) -> None:
        """End everything that was opened."""
        for judge in self.opened.values():
            judge.close()


def host_of(given: Host | int) -> Host:
    """Return a host: the one that is given, or one with so many workers and nothing else."""
    return Alone(given) if isinstance(given, int) else given
