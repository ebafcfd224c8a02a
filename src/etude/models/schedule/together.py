"""The role beside the policy: every so many steps, from a step on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from etude.component import component, option
from etude.models.schedule.kind import Schedule


@component()
@dataclass(frozen=True)
class Together(Schedule):
    """Updates the role every so many steps, from one step on, in steps of the policy too."""

    words: ClassVar[str] = "every {every} steps from step {start}"

    every: int = option(1, "steps from one update of the role to the next", ge=1)
    start: int = option(0, "the first step, from 0, in which it is updated", ge=0)

    def due(self, step: int) -> bool:
        """Return whether the step is ``start`` or a multiple of ``every`` after it."""
        return step >= self.start and (step - self.start) % self.every == 0
