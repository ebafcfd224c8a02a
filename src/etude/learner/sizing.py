"""How many answers the prompts of a step get: what is planned, and what the stage's budget decides.

The budget is asked before a batch of prompts is sampled, and again after each round with what the
answers so far came to. All ranks have the same rows and ask the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from etude.built import components
from etude.component import FIXED_SIZE
from etude.curriculum.interface import StepPlan
from etude.errors import StageError
from etude.feedback import RowRecord
from etude.objective.sizes import Rounds, Size
from etude.rollout.budget.kind import Asked, BudgetState, whole_numbers
from etude.rows import Example, Row

#: Where the live side of a budget is kept.
BUDGET = "rollout.budget"

#: The most answers that a prompt may come to, as ``training.rollouts_per_prompt`` has it.
MOST = 100_000


class Sizing:
    """Decides sizes for one stage; ``rounds`` counts those that the present step was sampled in."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self._parts = stage.parts
        self.rounds = 0

    @property
    def decides(self) -> bool:
        """Return whether the stage has a budget that decides."""
        return BUDGET in self._stage.live

    def begin(self) -> None:
        """Begin a step: no round of it was sampled yet."""
        self.rounds = 0

    def size(self, step: int, plan: StepPlan, examples: Sequence[Example]) -> Size:
        """Return how many answers the prompts get; raises StageError where they must be as many."""
        own: int = self._parts.training.rollouts_per_prompt
        size = plan.size_for([example.id for example in examples], own)
        self.rounds += 1
        if not self.decides:
            self.check(size, "the curriculum plans")
            return size
        sizes = [size] * len(examples) if isinstance(size, int) else list(size)
        return self._decided(self._asked(step, examples, sizes))

    def check(self, size: Size, who: str = f"{BUDGET} decided on") -> None:
        """Raise StageError where sizes differ and a part of the objective needs equal ones."""
        if isinstance(size, int) or not self._of_one_size or len(set(size)) == 1:
            return
        raise StageError(
            f"{self._of_one_size} needs groups of one size, and {who} {min(size)} to {max(size)} "
            "answers a prompt"
        )

    def record(self, row: Row) -> RowRecord:
        """Return what a budget sees of a row, whose reward is not combined yet."""
        return replace(RowRecord.of(row), reward=math.nan)

    def _asked(self, step: int, examples: Sequence[Example], sizes: Sequence[int]) -> Asked:
        history = self._stage.history
        return Asked(
            step=step,
            steps=self._stage.steps,
            seed=self._stage.seed,
            examples=examples,
            sizes=sizes,
            known=[history.get(example.id) for example in examples],
            least=self._parts.objective.guidance.taken + 1,
        )

    def _decided(self, asked: Asked) -> Rounds:
        """Return the sizes that the budget decides on, as rounds."""
        batch = _Batch(self._stage.live[BUDGET], asked, self)
        return Rounds(batch.first(), batch.more)

    @cached_property
    def _of_one_size(self) -> str:
        """Return the path of a part that needs groups of one size, empty where none does."""
        for path, part in components(self._parts.objective, "objective"):
            if any(need.what == FIXED_SIZE for need in part.declaration.requires):
                return path
        return ""


@dataclass
class _Batch:
    """One batch of prompts between its rounds: ``counts`` are the answers asked for so far."""

    budget: BudgetState
    asked: Asked
    sizing: Sizing
    counts: list[int] = field(default_factory=list)

    def first(self) -> list[int]:
        """Return the sizes of the first round."""
        sizes = self._numbers(self.budget.sizes(self.asked), "sizes", 1)
        self.counts = [max(size, self.asked.least) for size in sizes]
        return list(self.counts)

    def more(self, groups: Sequence[Sequence[Row]]) -> list[int]:
        """Return how many answers more each prompt gets, none for all where it is enough."""
        records = [[self.sizing.record(row) for row in group] for group in groups]
        given = self.budget.more(replace(self.asked, counts=tuple(self.counts)), records)
        sizes = self._numbers(given, "more", 0) if len(given) else []
        if not any(sizes):
            self.sizing.check(self.counts)
            return []
        self.sizing.rounds += 1
        self.counts = [have + size for have, size in zip(self.counts, sizes, strict=True)]
        return sizes

    def _numbers(self, given: Sequence[Any], what: str, least: int) -> list[int]:
        """Return the numbers a budget gave, one a prompt; raises StageError for others."""
        said = f"{BUDGET}: {what} of step {self.asked.step} gives"
        sizes = whole_numbers(given, len(self.asked.examples), least, said)
        before = self.counts or [0] * len(sizes)
        for example, have, size in zip(self.asked.examples, before, sizes, strict=True):
            if have + size > MOST:
                raise StageError(f"{said} {example.id} {have + size:,} answers; {MOST:,} may be")
        return sizes
