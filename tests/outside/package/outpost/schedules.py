"""When a second trained role learns: in spells, the policy alone between them."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component, option
from etude.models.schedule.kind import Schedule


@component(group="models/schedule", name="spells")
@dataclass(frozen=True)
class Spells(Schedule):
    """Updates the role for some steps, then rests it for as many."""

    length: int = option(1, "steps of a spell, and of a rest", ge=1)

    def due(self, step: int) -> bool:
        """Return whether the step is in a spell."""
        return step // self.length % 2 == 0
