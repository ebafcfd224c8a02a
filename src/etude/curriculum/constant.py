"""A curriculum that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.curriculum.interface import StepPlan
from etude.rows import Row


@component()
@dataclass(frozen=True)
class Constant:
    """Every step is like the first."""

    def make_state(self) -> ConstantState:
        """Return the state of a new stage."""
        return ConstantState()


class ConstantState:
    """Nothing to remember."""

    def plan(self, step: int) -> StepPlan:
        """Return a plan that leaves every value as the config has it."""
        return StepPlan()

    def observe(self, step: int, rows: Sequence[Row]) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore an empty state."""
