"""What guidance remembers of prompts from one visit to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.objective.guidance.hinting import Counts, add, correct
from etude.rows import Example, Row


@dataclass
class Stages:
    """How far each prompt's hints have grown: prompt id → stage, from 1 (the first ratio)."""

    stages: dict[str, int] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """Return the stages of all prompts that have one."""
        return {"stages": dict(self.stages)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.stages = {str(key): int(stage) for key, stage in state["stages"].items()}


@dataclass
class FirstVisits:
    """Whether any plain answer was right when a prompt was first drawn: prompt id → solved."""

    solved: dict[str, bool] = field(default_factory=dict)

    def compare(
        self, examples: Sequence[Example], plain: Sequence[list[Row]], counts: Counts
    ) -> None:
        """Count how many prompts are solved, those that were not at their first visit apart."""
        for example, group in zip(examples, plain, strict=True):
            solved = correct(group) > 0
            before = self.solved.setdefault(example.id, solved)
            add(counts, "guidance/still_solved", before and solved, before)
            add(counts, "guidance/newly_solved", not before and solved, not before)

    def state_dict(self) -> dict[str, Any]:
        """Return what is known of every prompt that was drawn."""
        return {"solved": dict(self.solved)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.solved = {str(key): bool(value) for key, value in state["solved"].items()}
