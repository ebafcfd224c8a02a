"""A straight line from the peak rate to a final one."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component
from etude.optimizer.schedule.shape import Decay


@component()
@dataclass(frozen=True)
class Linear(Decay):
    """A straight line from the peak rate to ``final_factor`` of it, just after the last step."""

    def fall(self, progress: float) -> float:
        """Return 1 at ``progress`` 0 and 0 at ``progress`` 1."""
        return 1.0 - progress
