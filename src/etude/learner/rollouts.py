"""Prompts in, judged groups of rows out: draw, request, sample, verify, filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etude.curriculum.interface import StepPlan
from etude.errors import DataError
from etude.learner.parts import StageParts
from etude.randomness import row_seed
from etude.rows import Candidate, Example, Request, Row


@dataclass(frozen=True)
class Gathered:
    """The groups of a step, with what was sampled and thrown away on the way to them."""

    groups: list[list[Row]]
    sampled: list[Row]
    rounds: int


class Rollouts:
    """Samples groups of answers from an engine and has them judged.

    Everything random about a row is keyed by (seed, step, prompt id, rollout index), so neither
    the order of rows nor the number of rounds changes an answer.
    """

    def __init__(
        self, parts: StageParts, *, policy: Any, stream: Any, engine: Any, judge: Any, seed: int
    ) -> None:
        self._parts = parts
        self._policy = policy
        self._stream = stream
        self._engine = engine
        self._judge = judge
        self._seed = seed

    def gather(self, step: int, plan: StepPlan) -> Gathered:
        """Return the step's prompts as judged groups, refilled while the filter drops some.

        Raises DataError when the filter's limit on rounds is reached before enough groups are kept.
        """
        wanted = self._parts.training.prompts_per_step
        group_filter = self._parts.objective.filter
        kept: list[list[Row]] = []
        sampled: list[Row] = []
        seen: Counter[str] = Counter()
        rounds = 0
        while len(kept) < wanted:
            if group_filter.max_batches and rounds >= group_filter.max_batches:
                raise DataError(
                    f"step {step}: after {rounds} batches of {wanted} prompts only {len(kept)} groups "
                    "had answers of different worth; raise objective.filter.max_batches, or give "
                    "easier or harder prompts (data_mix.train.<source>.levels)"
                )
            groups = self.sample(self._stream.next(wanted), step, plan, seen)
            sampled += [row for group in groups for row in group]
            rounds += 1
            kept += [g for g, keep in zip(groups, group_filter.keep_groups(groups), strict=True) if keep]
        return Gathered(kept[:wanted], sampled, rounds)

    def sample(
        self, examples: Sequence[Example], step: int, plan: StepPlan, seen: Counter[str]
    ) -> list[list[Row]]:
        """Return one judged and rewarded group of rows for each example."""
        size = self._parts.training.rollouts_per_prompt
        limit = plan.max_new_tokens or self._parts.rollout.max_new_tokens
        requests: list[Request] = []
        for example in examples:
            prompt = self._policy.encode_prompt(example.prompt, example.system)
            first = seen[example.id] * size  # a prompt drawn twice in a step gets other answers
            seen[example.id] += 1
            requests += [
                Request(
                    example.id, index, prompt, row_seed(self._seed, step, example.id, index), limit
                )
                for index in range(first, first + size)
            ]
        answers = self._engine.sample(requests)
        rows = [
            Row(
                prompt_id=request.prompt_id,
                index=request.index,
                prompt=request.prompt,
                sampled_prompt=request.prompt,
                tokens=answer.tokens,
                loss_mask=[1] * len(answer.tokens),
                example=examples[position // size],
                sampler_logprobs=list(answer.logprobs),
                stop_reason=answer.stop_reason,
                text=self._policy.decode(answer.tokens),
            )
            for position, (request, answer) in enumerate(zip(requests, answers, strict=True))
        ]
        self._verify(rows)
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def _verify(self, rows: Sequence[Row]) -> None:
        verdicts = self._judge.verify([candidate_of(row) for row in rows])
        for row, verdict in zip(rows, verdicts, strict=True):
            row.verdict = verdict


def candidate_of(row: Row) -> Candidate:
    """Return what a verifier sees of a row."""
    return Candidate(
        id=row.prompt_id,
        index=row.index,
        prompt=row.example.prompt,
        response=row.text,
        columns=row.example.columns,
        stop_reason=row.stop_reason,
        length=len(row.tokens),
    )
