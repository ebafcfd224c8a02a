"""What is alive in a stage beside its config: it has state, hears what happens, and is closed.

A component is frozen. Whatever of it changes from step to step is what its ``open(stage)`` returns;
the stage keeps that by config path (``curriculum``, ``objective.regularizer.kl``), saves and
restores it with every checkpoint and closes it in the end. This module imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.feedback import StepFeedback, UpdateFeedback

#: A tree of dicts and lists whose leaves are tensors or JSON scalars.
Tree = Any


@dataclass(frozen=True)
class HandsOn:
    """A model of a stage that is handed on in the place of the trained one; the steps it had."""

    model: str
    steps: int


class Live:
    """The live side of a component; every method does nothing unless a subclass says otherwise.

    All ranks of a stage hold equal states. Whoever is no subclass may have any of these methods;
    what it does not have is not called.
    """

    def state_dict(self) -> Tree:
        """Return what a resumed stage needs of it: JSON scalars, lists, dicts and tensors."""
        return {}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""

    def begin(self, evaluations: Mapping[str, Mapping[str, float]]) -> None:
        """Hear what the model is worth before the first step: name of an evaluation → its numbers.

        Those are told that a component asked for at the start (``evaluation:main@start``).
        """

    def after_update(self, update: UpdateFeedback) -> None:
        """Hear of an update that was made; what moves here acts from the next step on."""

    def observe(self, feedback: StepFeedback) -> None:
        """Hear of a finished step, before its checkpoint is written."""

    def metrics(self) -> dict[str, float]:
        """Return numbers for the step's log, which name them ``<config path>/<name>``."""
        return {}

    def ended(self) -> str:
        """Return why the stage is over before its last step, empty while it goes on."""
        return ""

    def hands_on(self) -> HandsOn | None:
        """Return which model the stage hands on in the place of the trained one, None for that."""
        return None

    def close(self) -> None:
        """End what outlives a step: processes, files, connections."""


def by_path(lives: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return (config path, live) in the order they are told: what knows of rows, then by path."""
    return sorted(lives.items(), key=lambda item: (not item[0].startswith("data_mix"), item[0]))


def all_of(lives: Mapping[str, Any], hook: str) -> list[Any]:
    """Return the methods named ``hook`` of all that have one, in that order."""
    found = (getattr(live, hook, None) for _, live in by_path(lives))
    return [each for each in found if each is not None]


def numbers_of(lives: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of all that have some, each under its path: ``curriculum/level``."""
    return {
        f"{path.replace('.', '/')}/{name}": float(value)
        for path, live in by_path(lives)
        if hasattr(live, "metrics")
        for name, value in live.metrics().items()
    }
