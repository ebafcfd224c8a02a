"""What execution knows of a learner: steps in, metrics out, state that is saved and restored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

#: A tree of dicts and lists whose leaves are tensors or JSON scalars.
Tree = Any


@dataclass(frozen=True)
class StepResult:
    """What one step hands to the stage's files.

    ``metrics`` and ``samples`` hold only what the seed determines; clocks, memory and throughput
    belong in ``timing``.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]] = field(default_factory=list)
    timing: dict[str, float] = field(default_factory=dict)


class Learner(Protocol):
    """One stage's training: built from the stage's typed config, driven step by step.

    ``steps`` is the number of steps of the whole stage; step numbers begin at 0.
    """

    steps: int

    def step(self, step: int) -> StepResult:
        """Do step number ``step`` and return its metrics; everything random is keyed by it."""

    def evaluate(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Measure the model as it stands: the result's JSON and the samples it rests on."""

    def state_dict(self) -> Tree:
        """Return all that a resumed stage needs (parameters, optimizers, data, components)."""

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""

    def export(self, folder: Path) -> None:
        """Write what the stage hands on (``model/`` in Hugging Face format, ``data/`` rows)."""

    def close(self) -> None:
        """End worker processes and free what the learner holds."""
