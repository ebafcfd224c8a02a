"""What a stage that writes rows does with the answers it sampled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from etude.component import option
from etude.objective.parts import Sampler
from etude.rows import Outcome, Row


@dataclass(frozen=True)
class Harvest:
    """The rows that a step hands on, as JSON objects, and numbers for the log.

    ``accepted`` counts what was good enough before repetitions and surplus were left out.
    """

    rows: list[dict[str, Any]]
    accepted: int
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Generation(ABC):
    """Samples answers to prompts, has them judged, and writes rows for another stage."""

    learner: ClassVar[str] = "generate"
    reads: ClassVar[tuple[str, ...]] = (
        "model",
        "models",
        "objective",
        "data_mix",
        "verifier",
        "reward_weighting",
        "rollout",
        "training",
    )
    #: The columns of a written row that make two rows the same.
    identity: ClassVar[tuple[str, ...]] = ("prompt", "solution")

    samples_per_prompt: int = option(8, "answers sampled for each prompt", ge=1)
    deduplicate: bool = option(
        True, "keep only one of rows whose prompt and text are the same, over the whole stage"
    )

    @abstractmethod
    def harvest(self, groups: Sequence[Sequence[Row]], sampler: Sampler) -> Harvest:
        """Return what is handed on of judged, rewarded answers, one group a prompt.

        ``sampler`` gives more answers and continuations where the method needs them.
        """

    def unrepeated(
        self, rows: Sequence[dict[str, Any]], known: set[tuple[Any, ...]]
    ) -> list[dict[str, Any]]:
        """Return the rows that repeat none of ``known``, and add them to it.

        Rows are the same when the columns of :attr:`identity` are; without ``deduplicate`` all are
        new.
        """
        found = []
        for row in rows:
            key = tuple(row[column] for column in self.identity)
            if key not in known or not self.deduplicate:
                found.append(row)
            known.add(key)
        return found


def is_correct(row: Row) -> bool:
    """Return whether the verifier accepted a row's answer."""
    return row.verdict is not None and row.verdict.outcome is Outcome.CORRECT


def distinct(rows: Sequence[Row]) -> list[Row]:
    """Return the first of rows with the same text, of all their turns, in their order."""
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        first.setdefault(answers(row), row)
    return list(first.values())


def answers(row: Row) -> tuple[str, ...]:
    """Return what the model said: its answer, or every turn of an episode with an environment."""
    if row.ended is None:
        return (row.text,)
    return tuple(each.content for each in row.ended.said if each.role == "assistant")


def demonstration(row: Row, sampler: Sampler, **columns: Any) -> dict[str, Any]:
    """Return a row to write whose answer is to be taught.

    Of an episode with an environment ``turns`` are taught, after what it began with; ``solution``
    is then all that the model said.
    """
    begun, turns = ([], []) if row.ended is None else sampler.conversation(row)
    if not turns:
        return record(row, solution=row.text, **columns)
    told = [each for each in begun if each["role"] != "system"]
    system = [each["content"] for each in begun if each["role"] == "system"]
    found = record(row, solution="\n".join(answers(row)), turns=turns, **columns)
    found |= {"prompt": told[-1]["content"] if told else ""}
    return (
        found | ({"system": system[0]} if system else {}) | ({"messages": told} if told[1:] else {})
    )


def record(row: Row, **columns: Any) -> dict[str, Any]:
    """Return a row to write: the problem's own columns, and what the method adds."""
    system = {} if row.example.system is None else {"system": row.example.system}
    return {
        **row.example.columns,
        **system,
        "id": f"{row.prompt_id}#{row.index}",
        "prompt": row.example.prompt,
        **columns,
    }
