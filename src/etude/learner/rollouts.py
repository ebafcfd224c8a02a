"""Prompts in, judged groups of rows out: draw, request, sample, verify, filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from etude.curriculum.interface import StepPlan
from etude.data_mix.draw import Draw
from etude.errors import DataError
from etude.learner.causes import why_alike
from etude.learner.hints import with_hints
from etude.learner.open_stage import OpenStage
from etude.learner.opened import Opened
from etude.learner.rewarding import Rewarding, unrewarded
from etude.learner.sampler import StepSampler
from etude.learner.sizing import Sizing
from etude.rows import Row
from etude.verifier.failures import refuse_failures


@dataclass(frozen=True)
class Gathered:
    """The groups of a step, and everything that happened on the way to them.

    ``groups`` are trained on; ``judged`` are those before the filter dropped some; ``sampled`` is
    every row the policy wrote and ``demonstrated`` every one it was given. Rows that the verifier
    failed on are in these two only: they have no reward to learn from. ``beside`` are rows that an
    episode sampled on the way: of models that are not trained, or left off. ``counts`` are
    guidance's numbers for the log, as (sum, count).
    """

    groups: list[list[Row]]
    judged: list[list[Row]]
    sampled: list[Row]
    demonstrated: list[Row]
    beside: list[Row]
    rounds: int
    counts: dict[str, tuple[float, float]]
    sampler: StepSampler

    @property
    def rows(self) -> list[Row]:
        """Return every row there is: sampled, demonstrated, or made of these by guidance."""
        judged = (row for group in self.judged for row in group)
        return [*self.sampled, *self.demonstrated, *self.beside, *judged]


class Rollouts(Opened):
    """Has guidance make groups of answers to the prompts drawn, and rewards what was judged."""

    def __init__(self, stage: OpenStage) -> None:
        super().__init__(stage)
        self.sizing = Sizing(stage)
        self.rewarding = Rewarding(stage, stage.parts.objective, stage.parts.reward_weighting)

    def sampler(self, step: int, plan: StepPlan) -> StepSampler:
        """Return what samples for one step, whose answers are as long as its plan says."""
        self.step = step
        self.allow(plan.max_new_tokens)
        return StepSampler(self, step, plan)

    def gather(self, step: int, plan: StepPlan, state: Any = None) -> Gathered:
        """Return the step's prompts as judged groups, refilled while the filter drops some.

        ``state`` is that of the objective's guidance. Rows outside of the groups have the rewards
        that they have by themselves; those of the groups are rewarded together, by who asks for
        them. Raises DataError when the filter's limit on rounds is reached before enough groups are
        kept.
        """
        asked = plan.draw or Draw()
        wanted = asked.count or self._parts.training.prompts_per_step
        group_filter = self._parts.objective.filter
        sampler = self.sampler(step, plan)
        self.sizing.begin()
        kept: list[list[Row]] = []
        judged: list[list[Row]] = []
        counts: dict[str, tuple[float, float]] = {}
        rounds = 0
        while len(kept) < wanted:
            if rounds and group_filter.max_batches and rounds >= group_filter.max_batches:
                raise DataError(
                    f"step {step}: after {rounds} batches of {wanted} prompts only {len(kept)} "
                    f"groups {group_filter.passed} {group_filter.metric}; {why_alike(judged)}. "
                    f"More batches (objective.filter.max_batches={2 * rounds}) or "
                    "objective/filter=none let the step go on"
                )
            drawn = self.draw(replace(asked, count=group_filter.prompts(wanted)))
            examples = with_hints(drawn, plan, sampler, counts)
            size = self.sizing.size(step, plan, examples)
            made = self._parts.objective.guidance.groups(examples, size, sampler, state)
            rounds += 1
            for name, (total, count) in made.counts.items():
                before = counts.get(name, (0.0, 0.0))
                counts[name] = (before[0] + total, before[1] + count)
            self.refuse_failures(sampler.sampled, step)
            known = [some for group in made.rows if (some := [r for r in group if is_judged(r)])]
            if not known:  # of what was sampled some was judged, and it is in no group
                self.refuse_failures([row for group in made.rows for row in group], step)
            if group_filter.reads_rewards:
                for group in known:
                    self.rewarding.alone(group, step)
            judged += known
            kept += group_filter.among(known, wanted)
            if not group_filter.refill:
                break
        kept = self._chosen(kept, wanted, step)
        every = (*sampler.sampled, *sampler.demonstrated, *(r for group in judged for r in group))
        for group in unrewarded(filter(is_judged, every), kept):
            self.rewarding.alone(group, step)
        return Gathered(
            groups=kept,
            judged=judged,
            sampled=sampler.sampled,
            demonstrated=sampler.demonstrated,
            beside=sampler.beside,
            rounds=rounds,
            counts=counts,
            sampler=sampler,
        )

    def received(self, groups: list[list[Row]], step: int, plan: StepPlan) -> Gathered:
        """Return groups that an episode had a role write, without those its filter drops."""
        sampler = self.sampler(step, plan)
        self.refuse_failures([row for group in groups for row in group], step)
        known = [some for group in groups if (some := [row for row in group if is_judged(row)])]
        group_filter = self._parts.objective.filter
        if group_filter.reads_rewards:
            for group in known:
                self.rewarding.alone(group, step)
        kept = group_filter.among(known, len(known)) if known else []
        every = [row for some in known for row in some]
        for group in unrewarded(every, kept):
            self.rewarding.alone(group, step)
        return Gathered(
            groups=kept,
            judged=known,
            sampled=[row for group in groups for row in group],
            demonstrated=[],
            beside=[],
            rounds=1,
            counts={},
            sampler=sampler,
        )

    def refuse_failures(self, rows: Sequence[Row], step: int) -> None:
        """Raise VerifierError where the verifier itself failed on too many rows of a step."""
        verdicts = [row.verdict for row in rows if row.verdict is not None]
        refuse_failures(verdicts, self._parts.verifier.most_failed, f"step {step}")

    def _chosen(self, kept: list[list[Row]], wanted: int, step: int) -> list[list[Row]]:
        """Return the groups that are trained on; where others were sampled there may be more."""
        group_filter = self._parts.objective.filter
        if not group_filter.refill:
            return kept
        return [kept[i] for i in group_filter.choose(len(kept), wanted, self.seed, step)]


def is_judged(row: Row) -> bool:
    """Return whether the verifier came to a verdict; a row it failed on has no reward at all."""
    return row.verdict is not None and not row.verdict.outcome.failed
