"""What a curriculum may change from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from etude.rows import Row


@dataclass(frozen=True)
class StepPlan:
    """What a step is asked to do; None leaves the config's own value."""

    max_new_tokens: int | None = None
    temperature: float | None = None


class CurriculumState(Protocol):
    """The mutable side of a curriculum: plans steps, learns from them, travels in checkpoints."""

    def plan(self, step: int) -> StepPlan:
        """Return what step number ``step`` is asked to do."""

    def observe(self, step: int, rows: Sequence[Row]) -> None:
        """Learn from the rows of a finished step."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything :meth:`plan` depends on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
