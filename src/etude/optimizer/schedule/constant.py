"""A constant learning rate after the warm-up."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component
from etude.optimizer.schedule.shape import Schedule


@component()
@dataclass(frozen=True)
class Constant(Schedule):
    """The peak rate at every step after a linear warm-up; a finished stage can be extended."""
