"""Prompts in, judged groups of rows out: draw, request, sample, verify, filter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from etude.curriculum.interface import StepPlan
from etude.errors import DataError, VerifierError
from etude.learner.parts import StageParts
from etude.model.policy import Policy
from etude.randomness import row_seed
from etude.rows import Candidate, Example, Outcome, Request, Row

if TYPE_CHECKING:
    from etude.learner.make import StageContext


@dataclass(frozen=True)
class Gathered:
    """The groups of a step, and everything that was sampled on the way to them.

    Rows that the verifier failed on are in ``sampled`` only: they have no reward to learn from.
    """

    groups: list[list[Row]]
    sampled: list[Row]
    rounds: int


class Rollouts:
    """Draws prompts, samples groups of answers to them, and has the answers judged.

    Everything random about a row is keyed by (seed, step, prompt id, rollout index), so neither
    the order of rows nor the number of rounds changes an answer. Answers come from ``policy``, or
    from the frozen model that the stage's ``rollout.model_from`` names.
    """

    def __init__(self, parts: StageParts, context: StageContext, policy: Policy) -> None:
        self._parts = parts
        self._seed = context.seed
        self.on_policy = context.rollout_from is None
        source = policy if self.on_policy else parts.policy(context.rollout_from, context.seed)
        self._policy = source
        self.stream = parts.data_mix.open(parts.sources, context.seed, context.data)
        self._engine = parts.rollout.engine(source)
        self._judge = parts.verifier.open(parts.execution.verifier_workers)

    def sync(self, policy: Policy) -> None:
        """Give the engine the trained weights, unless another model samples."""
        if self.on_policy:
            self._engine.sync(policy)

    def close(self) -> None:
        """End the engine and the verifier's workers."""
        self._engine.close()
        self._judge.close()

    def gather(self, step: int, plan: StepPlan) -> Gathered:
        """Return the step's prompts as judged groups, refilled while the filter drops some.

        Raises DataError when the filter's limit on rounds is reached before enough groups are kept.
        """
        wanted = self._parts.training.prompts_per_step
        size = self._parts.training.rollouts_per_prompt
        group_filter = self._parts.objective.filter
        kept: list[list[Row]] = []
        sampled: list[Row] = []
        seen: Counter[str] = Counter()
        rounds = 0
        while len(kept) < wanted:
            if rounds and group_filter.max_batches and rounds >= group_filter.max_batches:
                raise DataError(
                    f"step {step}: after {rounds} batches of {wanted} prompts only {len(kept)} "
                    "groups had answers of different worth; raise objective.filter.max_batches, or "
                    "give easier or harder prompts (data_mix.train.<source>.levels)"
                )
            groups = self.sample(self.stream.next(wanted), step, plan, seen, size)
            sampled += [row for group in groups for row in group]
            rounds += 1
            judged = [known for group in groups if (known := [r for r in group if is_judged(r)])]
            if not judged:
                raise VerifierError(
                    f"step {step}: the verifier failed on all {len(sampled)} answers "
                    f"({_failures(sampled)}); nothing can be learned from them. "
                    "A higher verifier.timeout or verifier.memory may help"
                )
            self.reward(judged)
            values = [[_value(row, group_filter.metric) for row in group] for group in judged]
            kept += [g for g, keep in zip(judged, group_filter.keep(values), strict=True) if keep]
            if not group_filter.refill:
                break
        return Gathered(kept[:wanted], sampled, rounds)

    def sample(
        self,
        examples: Sequence[Example],
        step: int,
        plan: StepPlan,
        seen: Counter[str],
        size: int,
    ) -> list[list[Row]]:
        """Return one judged group of ``size`` rows for each example.

        ``seen`` counts how often each prompt was already drawn in this step.
        """
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
        answers = self._engine.sample(requests, temperature=plan.temperature)
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

    def reward(self, groups: Sequence[Sequence[Row]]) -> None:
        """Combine the parts of every judged row into its reward."""
        rows = [row for group in groups for row in group]
        for row, reward in zip(rows, rewards_of(rows, self._parts.reward_weighting), strict=True):
            row.reward = reward


def is_judged(row: Row) -> bool:
    """Return whether the verifier came to a verdict; a row it failed on has no reward at all."""
    return row.verdict is not None and row.verdict.outcome not in (
        Outcome.TIMED_OUT,
        Outcome.CRASHED,
    )


def rewards_of(rows: Sequence[Row], weighting: Any) -> list[float]:
    """Return the combined reward of judged rows; raises ConfigError for a part nobody gives."""
    if not rows:
        return []
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    parts = {name: torch.tensor([v.parts[name] for v in verdicts]) for name in verdicts[0].parts}
    combined: list[float] = weighting.combine(parts).tolist()
    return combined


def _failures(rows: Sequence[Row]) -> str:
    details = Counter(
        f"{row.verdict.outcome.value}: {row.verdict.detail}" for row in rows if row.verdict
    )
    return "; ".join(f"{count} × {detail}" for detail, count in details.most_common(3))


def _value(row: Row, metric: str) -> float:
    if metric == "reward" or row.verdict is None:
        return row.reward
    return row.verdict.parts[metric]


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
