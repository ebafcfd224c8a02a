"""The slot ``training/moves``: what moves the other models of a stage between its steps.

Such a component names a role, which it requires (``model:{role}``) and provides to change
(``changes:{role}``). What its ``open`` returns hears of every step, and asks the stage to change
the role when it sees fit: ``stage.copy(role)``, ``stage.ema(role, decay)``, ``stage.swap(role)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from etude.live import Live


class Move(ABC):
    """A component that moves a model of the stage beside the one that is trained."""

    @abstractmethod
    def open(self, stage: Any) -> Live:
        """Return what moves the role of an open stage."""
