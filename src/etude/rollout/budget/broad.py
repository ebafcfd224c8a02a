"""BroRL (arXiv 2510.01180): hundreds of answers to each prompt, sampled and judged in chunks.

    N answers to every prompt, ``chunk`` of them a round, the last round those that are left

Broad exploration: with N answers the chance that a token of probability p is not among them falls
as (1 − p)^N, and with it what a step takes away from right answers that were not sampled.
Advantages are those of the whole group, which is complete before anything is learned. Answers are
numbered as they are asked for: single answers to a prompt that comes once in a step are the same
however they are cut in chunks, while a prompt that comes again and an episode that branches get
others. The chunk is therefore part of the experiment. The rest of the method is an objective
(``objective=brorl``), and a learning rate that grows with the root of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from etude.component import Need, component, option
from etude.rollout.budget.kind import Asked, Budget, BudgetState

if TYPE_CHECKING:
    from etude.feedback import RowRecord


@component(source="arXiv 2510.01180", provides=[Need("answers:several", when="rollouts > 1")])
@dataclass(frozen=True)
class Broad(Budget):
    """Gives every prompt many answers, sampled and judged a chunk at a time."""

    at_most: ClassVar[str] = "rollouts"
    example: ClassVar[str] = "rollout/budget=broad rollout.budget.rollouts=512"
    words: ClassVar[str] = "broad ([{rollouts} answers|as many as planned] in chunks of {chunk})"

    rollouts: int | None = option(
        None, "answers to every prompt (the paper: 512); null: as planned", ge=1, le=100_000
    )
    chunk: int = option(64, "answers to a prompt that are sampled and judged at once", ge=1)

    def open(self, stage: Any) -> BroadState:
        """Return what asks for chunk after chunk."""
        return BroadState(self)


class BroadState(BudgetState):
    """Asks for chunk after chunk until every group is complete."""

    def __init__(self, config: Broad) -> None:
        self.config = config

    def sizes(self, asked: Asked) -> list[int]:
        """Return the answers of the first chunk."""
        return [min(self.config.chunk, whole) for whole in self._whole(asked)]

    def more(self, asked: Asked, rows: Sequence[Sequence[RowRecord]]) -> list[int]:
        """Return the answers of the next chunk, of a group that is complete none."""
        return [
            max(0, min(self.config.chunk, whole - size))
            for whole, size in zip(self._whole(asked), asked.counts, strict=True)
        ]

    def _whole(self, asked: Asked) -> Sequence[int]:
        rollouts = self.config.rollouts
        return asked.sizes if rollouts is None else [rollouts] * len(asked.sizes)
