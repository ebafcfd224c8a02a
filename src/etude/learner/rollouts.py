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
from etude.learner.sampler import StepSampler, candidate_of
from etude.model.policy import Policy
from etude.rows import Outcome, Row

if TYPE_CHECKING:
    from etude.learner.make import StageContext


@dataclass(frozen=True)
class Gathered:
    """The groups of a step, and everything that happened on the way to them.

    ``groups`` are trained on; ``judged`` are those before the filter dropped some; ``sampled`` is
    every row the policy wrote and ``demonstrated`` every one it was given. Rows that the verifier
    failed on are in these two only: they have no reward to learn from. ``counts`` are guidance's
    numbers for the log, as (sum, count).
    """

    groups: list[list[Row]]
    judged: list[list[Row]]
    sampled: list[Row]
    demonstrated: list[Row]
    rounds: int
    counts: dict[str, tuple[float, float]]
    sampler: StepSampler


class Rollouts:
    """Draws prompts, has guidance make groups of answers, and rewards what the verifier judged.

    Answers come from ``policy``, or from the frozen model that the stage's ``rollout.model_from``
    names.
    """

    def __init__(self, parts: StageParts, context: StageContext, policy: Policy) -> None:
        self._parts = parts
        self.seed = context.seed
        self.on_policy = context.rollout_from is None
        source = policy if self.on_policy else parts.policy(context.rollout_from, context.seed)
        self.policy: Policy = source
        self.max_new_tokens: int = parts.rollout.max_new_tokens
        self.stream = parts.data_mix.open(parts.sources, context.seed, context.data)
        self.engine = parts.rollout.engine(source)
        self._judge = parts.verifier.open(parts.execution.verifier_workers)

    def sync(self, policy: Policy) -> None:
        """Give the engine the trained weights, unless another model samples."""
        if self.on_policy:
            self.engine.sync(policy)

    def close(self) -> None:
        """End the engine and the verifier's workers."""
        self.engine.close()
        self._judge.close()

    def sampler(self, step: int, plan: StepPlan) -> StepSampler:
        """Return what samples for one step."""
        return StepSampler(self, step, plan)

    def gather(self, step: int, plan: StepPlan, state: Any = None) -> Gathered:
        """Return the step's prompts as judged groups, refilled while the filter drops some.

        ``state`` is that of the objective's guidance. Raises DataError when the filter's limit on
        rounds is reached before enough groups are kept.
        """
        wanted = self._parts.training.prompts_per_step
        size = self._parts.training.rollouts_per_prompt
        group_filter = self._parts.objective.filter
        sampler = self.sampler(step, plan)
        kept: list[list[Row]] = []
        judged: list[list[Row]] = []
        counts: dict[str, tuple[float, float]] = {}
        rounds = 0
        while len(kept) < wanted:
            if rounds and group_filter.max_batches and rounds >= group_filter.max_batches:
                raise DataError(
                    f"step {step}: after {rounds} batches of {wanted} prompts only {len(kept)} "
                    "groups had answers of different worth; raise objective.filter.max_batches, or "
                    "give easier or harder prompts (data_mix.train.<source>.levels)"
                )
            examples = self.stream.next(wanted)
            made = self._parts.objective.guidance.groups(examples, size, sampler, state)
            rounds += 1
            for name, (total, count) in made.counts.items():
                before = counts.get(name, (0.0, 0.0))
                counts[name] = (before[0] + total, before[1] + count)
            known = [some for group in made.rows if (some := [r for r in group if is_judged(r)])]
            if not known:
                raise VerifierError(
                    f"step {step}: the verifier failed on all {len(sampler.sampled)} answers "
                    f"({_failures(sampler.sampled)}); nothing can be learned from them. "
                    "A higher verifier.timeout or verifier.memory may help"
                )
            self.reward(known)
            judged += known
            values = [[_value(row, group_filter.metric) for row in group] for group in known]
            kept += [g for g, keep in zip(known, group_filter.keep(values), strict=True) if keep]
            if not group_filter.refill:
                break
        rest = [r for r in (*sampler.sampled, *sampler.demonstrated) if is_judged(r)]
        self.reward([rest])
        return Gathered(
            groups=kept[:wanted] if group_filter.refill else kept,
            judged=judged,
            sampled=sampler.sampled,
            demonstrated=sampler.demonstrated,
            rounds=rounds,
            counts=counts,
            sampler=sampler,
        )

    def verify(self, rows: Sequence[Row]) -> None:
        """Have the rows judged; each gets its verdict."""
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
