"""Phases that follow one another: each ends after so many steps, or once a share is high enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from etude.live import Live

T = TypeVar("T")


def one_each(values: Sequence[T], count: int) -> tuple[T, ...]:
    """Return a value for each of ``count`` phases: those given, or the only one for all."""
    return tuple(values) * count if len(values) == 1 else tuple(values)


def equal_shares(steps: int, count: int) -> tuple[int, ...]:
    """Return the steps of each of ``count`` phases that share all steps, at least one each."""
    ends = [max(1, round(steps * (phase + 1) / count)) for phase in range(count)]
    return tuple(max(1, end - begin) for begin, end in zip([0, *ends], ends, strict=False))


@dataclass(frozen=True)
class PhaseRule:
    """When each phase ends; the last one goes on.

    After ``most`` of its steps, or after ``least`` once a step's share reaches ``bound`` (None:
    never).
    """

    most: tuple[int, ...]
    least: tuple[int, ...]
    bound: tuple[float, ...] | None

    def ends(self, phase: int, done: int, share: float) -> bool:
        """Return whether a phase ends after ``done`` steps, the last of which had that share."""
        if phase == len(self.most) - 1:
            return False
        early = self.bound is not None and done >= self.least[phase] and share >= self.bound[phase]
        return early or done >= self.most[phase]


@dataclass
class Phases:
    """The present phase, from 0, and how many of its steps are done."""

    rule: PhaseRule
    phase: int = 0
    done: int = 0

    def heard(self, share: float) -> None:
        """Count a finished step, and go on to the next phase where the present one ends."""
        self.done += 1
        if self.rule.ends(self.phase, self.done, share):
            self.phase, self.done = self.phase + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Return the phase and its steps."""
        return {"phase": self.phase, "done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.phase, self.done = int(state["phase"]), int(state["done"])


class InPhases(Live):
    """What is alive of a curriculum that goes through phases: the present one is its state."""

    def __init__(self, phases: Phases) -> None:
        self.phases = phases
        self._metrics: dict[str, float] = {}

    def metrics(self) -> dict[str, float]:
        """Return the numbers of the step that was, its phase counted from 1 among them."""
        return self._metrics

    def state_dict(self) -> dict[str, int]:
        """Return the phase and how many of its steps are done."""
        return self.phases.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.phases.load_state_dict(state)
