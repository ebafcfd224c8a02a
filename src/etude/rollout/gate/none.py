"""No gate: what samples stays as the stage has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.rollout.gate.kind import Gate


@component()
@dataclass(frozen=True)
class Open(Gate):
    """Has the trained model sample at once, or rollout.model_from throughout where that is set."""

    def open(self, stage: Any) -> None:
        """Return nothing: there is nothing to decide."""
