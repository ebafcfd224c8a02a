"""What an evaluation is given, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from etude.rows import Example, Request, Sampled, Verdict

if TYPE_CHECKING:
    from etude.evaluation.held_out_loss import Demonstrated


@dataclass(frozen=True)
class Answers:
    """Everything sampled for an evaluation: the answers of the first problem, then of the next.

    ``loss`` is that of the held-out demonstrations, where the rows have any.
    """

    examples: Sequence[Example]
    sampled: Sequence[Sampled]
    texts: Sequence[str]
    verdicts: Sequence[Verdict]
    max_new_tokens: int
    loss: Demonstrated | None = None


@dataclass(frozen=True)
class Result:
    """An evaluation's JSON (metrics, outcomes, settings) and the samples it rests on."""

    evaluation: dict[str, Any]
    samples: list[dict[str, Any]]


class Evaluation(Protocol):
    """A component of the group ``evaluation``."""

    problems: int
    temperature: float
    greedy: bool
    max_length: int

    def requests(
        self, examples: Sequence[Example], prompts: Sequence[tuple[int, ...]], limit: int
    ) -> list[Request]:
        """Return the rollouts to sample; ``limit`` is the rollout's own limit on new tokens."""

    def measure(self, answers: Answers) -> Result:
        """Return what the answers say."""
