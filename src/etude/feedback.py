"""What a stage tells its live components: of every step, and of every update batch.

All ranks are told the same. Only records travel, no tokens and nothing with a gradient. This module
imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etude.rows import Example, Outcome, Row, StopReason


@dataclass(frozen=True)
class RowRecord:
    """What is known of one row of a step.

    ``id`` is its prompt's, ``index`` its number among the answers to it; ``columns`` are those of
    its source. ``parts`` are the verifier's and ``outcome`` its finding, None where nothing was
    judged. ``length`` counts the tokens of the answer; ``role`` is the model that wrote it.
    """

    id: str
    index: int
    source: str
    columns: Mapping[str, Any]
    length: int
    outcome: Outcome | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    reward: float = 0.0
    stop_reason: StopReason = StopReason.STOP
    role: str = "policy"

    @classmethod
    def of(cls, row: Row) -> RowRecord:
        """Return the record of a row."""
        verdict = row.verdict
        return cls(
            id=row.prompt_id,
            index=row.index,
            source=row.example.source,
            columns=row.example.columns,
            length=row.length,
            outcome=None if verdict is None else verdict.outcome,
            parts={} if verdict is None else verdict.parts,
            reward=row.reward,
            stop_reason=row.stop_reason,
            role=row.role,
        )

    @classmethod
    def given(cls, example: Example, length: int) -> RowRecord:
        """Return the record of a row that nobody sampled, of ``length`` tokens."""
        return cls(example.id, 0, example.source, example.columns, length, role="")


@dataclass(frozen=True)
class Told:
    """What a learner tells of a finished step.

    ``plan`` is what the step was asked to do, None where nothing plans; ``rows`` are all rows
    sampled or drawn, ``judged`` the groups that the verifier judged, before a filter dropped some.
    ``trained`` counts rows that were learned from, ``dropped`` those that were judged or drawn and
    were not. ``roles`` is the same of every role that is trained beside the policy, on rows of its
    own, by name.
    """

    plan: Any = None
    rows: Sequence[RowRecord] = ()
    judged: Sequence[Sequence[RowRecord]] = ()
    trained: int = 0
    dropped: int = 0
    roles: Mapping[str, Told] = field(default_factory=dict)


@dataclass(frozen=True)
class StepFeedback:
    """A finished step as live components hear of it (``observe``).

    ``metrics`` are those of the step's log; see :class:`Told` for ``plan``, ``rows``, ``judged``,
    ``trained``, ``dropped`` and ``roles``. ``evaluations`` maps the evaluations that a component
    asked for after this step to their numbers, and holds no others.
    """

    step: int
    steps: int
    metrics: Mapping[str, float]
    plan: Any = None
    rows: Sequence[RowRecord] = ()
    judged: Sequence[Sequence[RowRecord]] = ()
    trained: int = 0
    dropped: int = 0
    evaluations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    roles: Mapping[str, Told] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        told: Told,
        *,
        step: int,
        steps: int,
        metrics: Mapping[str, float],
        evaluations: Mapping[str, Mapping[str, float]],
    ) -> StepFeedback:
        """Return the feedback of what a learner told of a step."""
        return cls(
            step,
            steps,
            metrics,
            told.plan,
            told.rows,
            told.judged,
            told.trained,
            told.dropped,
            evaluations,
            told.roles,
        )


@dataclass(frozen=True)
class UpdateFeedback:
    """An update batch that was just learned from, as live components hear of it (``after_update``).

    ``number`` counts the updates of step ``step`` (of ``steps``). ``batch`` holds the rows of all
    ranks (:class:`etude.objective.batch.LossBatch`), None for a learner that has no such batch.
    """

    step: int
    steps: int
    number: int
    metrics: Mapping[str, float]
    batch: Any = None
