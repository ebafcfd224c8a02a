"""What a trained model does in one step: sample, have judged, learn, and say what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from etude.curriculum.interface import StepPlan
from etude.errors import StageError
from etude.feedback import RowRecord, Told
from etude.learner.clock import Clock
from etude.learner.extra import ExtraUpdates
from etude.learner.open_stage import OpenStage
from etude.learner.policy_update import Learned, PolicyUpdate
from etude.learner.report import (
    group_metrics,
    guidance_metrics,
    judging_seconds,
    row_metrics,
    sample_record,
    size_metrics,
    worth_showing,
    written_tokens,
)
from etude.learner.rollouts import Gathered
from etude.rows import Row


@dataclass(frozen=True)
class Turn:
    """What a trained model did in a step: numbers, rows to show, what is told, tokens written.

    ``written`` are the groups that its episode had other trained roles write.
    """

    metrics: dict[str, float]
    samples: list[dict[str, Any]] = field(default_factory=list)
    told: Told = field(default_factory=Told)
    tokens: int = 0
    written: dict[str, list[list[Row]]] = field(default_factory=dict)


class AnswerTurns(PolicyUpdate):
    """Takes the turns of one trained model: the policy, or a role that is trained as it is."""

    def __init__(self, stage: OpenStage) -> None:
        super().__init__(stage)
        self.extra = stage.keep("optimizer.extra_update", ExtraUpdates(stage))

    def turn(
        self,
        step: int,
        plan: StepPlan,
        clock: Clock,
        written: list[list[Row]] | None = None,
        *,
        learns: bool = True,
    ) -> Turn:
        """Sample the prompts of one step, reward the answers, and update the model on them.

        With ``written`` these are its rows, and nothing is sampled; without ``learns`` its rows are
        sampled and rewarded each group by itself, and nothing is learned from them.
        """
        self.temperature = self._temperature(step, plan)
        before = self.stage.environment_seconds
        with clock.phase("rollout"):
            if written is None:
                gathered = self.rollouts.gather(step, plan, self.state.of("guidance"))
            else:
                gathered = self.rollouts.received(written, step, plan)
        clock.note(judging_seconds(gathered.sampled))
        if (waited := self.stage.environment_seconds - before) > 0:
            clock.note({"seconds/environments": waited})
        if learns:
            trained = self.learn(gathered.groups, step, clock)
            collected, extra = self._extra(gathered, step, clock)
        else:
            trained, collected, extra = Learned({"update/skipped": 1.0}, 0), {}, {}
            for group in gathered.groups:
                self.rollouts.rewarding.alone(group, step)
        self.stage.sync()

        metrics = {
            **row_metrics(gathered.sampled, self.rollouts.rewarding.weights(gathered.sampled)),
            **group_metrics(gathered.judged),
            **self._sizes(plan, gathered),
            **guidance_metrics(gathered.counts, gathered.demonstrated),
            "groups/rounds": float(gathered.rounds),
            **trained.metrics,
            **collected,
            **extra,
        }
        tokens = written_tokens([*gathered.sampled, *gathered.demonstrated, *gathered.beside])
        self.stage.counted["sampled"] += tokens
        metrics |= {f"tokens/{name}": float(count) for name, count in self.stage.counted.items()}
        rows = [row for group in gathered.groups for row in group]
        shown = worth_showing(rows, gathered.sampled, self.parts.execution.samples)
        samples = [sample_record(row, self.rollouts.policy) for row in shown]
        told = _told(plan, gathered, trained.rows)
        return Turn(metrics, samples, told, tokens, gathered.sampler.written)

    def _extra(
        self, gathered: Gathered, step: int, clock: Clock
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Make the extra updates that are due; return what they took in, and what came of them.

        In the warm start they take in nothing: what they learn from is what the policy fails at
        once it moves.
        """
        if self.training.warms_up(step):
            return {}, {}
        collected = self.extra.collect(gathered.judged, gathered.sampler, self.state)
        with clock.phase("update"):
            extra = self.extra.update(step, self.state, self.rollouts.max_new_tokens)
        return collected, extra

    def _sizes(self, plan: StepPlan, gathered: Gathered) -> dict[str, float]:
        """Return the numbers of answers that somebody decided on, and in how many rounds."""
        sizing = self.rollouts.sizing
        if plan.sizes is None and not sizing.decides:
            return {}
        rounds = {"rollout/rounds": float(sizing.rounds)} if sizing.decides else {}
        return size_metrics(gathered.judged) | rounds

    def _temperature(self, step: int, plan: StepPlan) -> float:
        """Return what a step samples at; raises StageError where nothing could be learned at it."""
        configured: float = self.parts.rollout.temperature
        asked = configured if plan.temperature is None else plan.temperature
        if asked <= 0:
            raise StageError(
                f"the curriculum plans temperature={asked:g} for step {step}: answers that are "
                "learned from are drawn, and their log-probs need a temperature above 0; a plan "
                f"that leaves it out (None) samples at rollout.temperature={configured:g}"
            )
        return asked


def _told(plan: StepPlan, gathered: Gathered, trained: int) -> Told:
    """Return what live components hear of a step that learned from ``trained`` rows."""
    record = {id(row): RowRecord.of(row) for row in gathered.rows}
    judged = [[record[id(row)] for row in group] for group in gathered.judged]
    return Told(
        plan=plan,
        rows=[record[id(row)] for row in (*gathered.sampled, *gathered.beside)],
        judged=judged,
        trained=trained,
        dropped=sum(map(len, judged)) - trained,
    )
