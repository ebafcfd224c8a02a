"""A curriculum that changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import STEPS_ALIKE, component
from etude.curriculum.interface import Curriculum, StepPlan
from etude.live import Live


@component(provides=(STEPS_ALIKE,))
@dataclass(frozen=True)
class Constant(Curriculum):
    """Every step is like the first."""

    def open(self, stage: Any) -> ConstantState:
        """Return what plans the steps of a stage."""
        return ConstantState()


class ConstantState(Live):
    """Nothing to remember."""

    def plan(self, step: int) -> StepPlan:
        """Return a plan that leaves every value as the config has it."""
        return StepPlan()
