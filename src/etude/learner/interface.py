"""What execution knows of a learner: steps in, metrics out, state that is saved and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from etude.config.evaluations import MAIN
from etude.feedback import Told
from etude.learner.context import Measured
from etude.live import HandsOn, Tree

__all__ = ["Learner", "Measured", "StepResult", "Tree"]


@dataclass(frozen=True)
class StepResult:
    """What one step hands to the stage's files.

    ``metrics`` and ``samples`` hold only what the seed determines; clocks, memory and throughput
    belong in ``timing``. ``told`` is what the live components of the stage hear of, and goes to no
    file; ``evaluations`` are those that they asked for after this step, by name: the JSON and the
    samples of each.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]] = field(default_factory=list)
    timing: dict[str, float] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    evaluations: Mapping[str, Measured] = field(default_factory=dict)


class Learner(Protocol):
    """One stage's training, driven step by step: :class:`etude.learner.open_stage.OpenStage`.

    ``steps`` is the number of steps of the whole stage; step numbers begin at 0.
    """

    steps: int

    def step(self, step: int) -> StepResult:
        """Do step number ``step`` and return its metrics; everything random is keyed by it."""

    @property
    def ended(self) -> str:
        """Return why the stage is over before its last step, empty while it goes on."""

    @property
    def hands_on(self) -> HandsOn | None:
        """Return what is handed on in the place of the model as it stands, None for that."""

    def evaluate(self, name: str = MAIN) -> Measured:
        """Measure the model as it stands by one of the stage's evaluations."""

    def state_dict(self) -> Tree:
        """Return all that a resumed stage needs (parameters, optimizers, data, components)."""

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""

    def export(self, folder: Path) -> None:
        """Write what the stage hands on (``model/`` in Hugging Face format, ``data/`` rows)."""

    def close(self) -> None:
        """End worker processes and free what the learner holds."""
