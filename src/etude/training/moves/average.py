"""A role that is a running average of the model that is trained (a mean teacher).

θ_role ← decay · θ_role + (1 − decay) · θ      every so many steps
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.feedback import StepFeedback
from etude.live import Live
from etude.training.moves.kind import Move


@component(
    source="arXiv 1703.01780",
    requires=[Need("model:{role}", why="which it moves")],
    provides=["changes:{role}"],
)
@dataclass(frozen=True)
class Average(Move):
    """Has a role follow the trained model as its running average."""

    example: ClassVar[str] = (
        "recipe=rl objective/regularizer='[kl]' training/moves='[average]' "
        "training.moves.average.decay=0.99"
    )

    role: str = option("reference", "the role of models that moves", form="filled")
    decay: float = option(0.999, "how much of itself it keeps each time", ge=0, le=1)
    every: int = option(1, "steps from one move to the next", ge=1)

    def open(self, stage: Any) -> Live:
        """Return what moves the role."""
        return _Averaging(self, stage)


class _Averaging(Live):
    def __init__(self, config: Average, stage: Any) -> None:
        self._config = config
        self._stage = stage

    def observe(self, feedback: StepFeedback) -> None:
        """Move the role after a step, where it is time."""
        if (feedback.step + 1) % self._config.every == 0:
            self._stage.ema(self._config.role, self._config.decay)
