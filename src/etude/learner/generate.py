"""Generation: sample answers, have them judged, and hand on what the objective makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etude.curriculum.interface import StepPlan
from etude.distributed.world import current
from etude.errors import StageError
from etude.feedback import RowRecord, Told
from etude.learner.clock import Clock
from etude.learner.interface import StepResult, Tree
from etude.learner.open_stage import OpenStage, StageLearner
from etude.learner.report import (
    judging_seconds,
    row_metrics,
    sample_record,
    worth_showing,
    written_tokens,
)
from etude.learner.rollouts import Rollouts, is_judged
from etude.learner.traits import learner
from etude.objective.generation import Generation, is_correct
from etude.rows import Row


@learner(row="prompt", samples=True, trains=False, hands_on="data")
class GenerateLearner(StageLearner):
    """Writes rows instead of a model: step n handles the n-th ``rows_per_step`` prompts."""

    def __init__(self, stage: OpenStage) -> None:
        super().__init__(stage)
        self.parts = stage.parts
        self.objective: Generation = stage.parts.objective
        self.rollouts = Rollouts(stage)
        self.rows: list[dict[str, Any]] = []
        self.known: set[tuple[Any, ...]] = set()

    def step(self, step: int) -> StepResult:
        """Sample and judge the answers to the next prompts, and take what is worth handing on."""
        clock = Clock()
        examples = self.rollouts.draw(self.parts.training.rows_per_step)
        sampler = self.rollouts.sampler(step, StepPlan())
        with clock.phase("rollout"):
            groups = sampler.sample(examples, self.objective.samples_per_prompt)
        sampled = [row for group in groups for row in group]
        self.rollouts.refuse_failures(sampled, step)
        clock.note(judging_seconds(sampled))
        judged = [[row for row in group if is_judged(row)] for group in groups]
        self.rollouts.rewarding.plainly(judged, step)
        with clock.phase("harvest"):
            harvest = self.objective.harvest(judged, sampler)
        kept = self.objective.unrepeated(harvest.rows, self.known)
        # A prompt that comes again in a later step gets other answers with the same numbers.
        self.rows += [{**row, "id": f"{row['id']}@{step}"} for row in kept]
        metrics = {
            **row_metrics(sampled, self.rollouts.rewarding.weights(sampled)),
            **_prompt_metrics(judged),
            **harvest.metrics,
            "rows/kept": float(harvest.accepted),
            "rows/distinct": float(len(kept)),
            "rows/total": float(len(self.rows)),
        }
        if step == self.stage.steps - 1:
            self._refuse_nothing()
        tokens = written_tokens([*sampler.sampled, *sampler.beside])
        shown = worth_showing(sampled, sampler.sampled, self.parts.execution.samples)
        samples = [sample_record(row, self.rollouts.policy) for row in shown]
        told = Told(
            rows=[RowRecord.of(row) for row in sampled],
            judged=[[RowRecord.of(row) for row in group] for group in judged],
        )
        return StepResult(metrics, samples, clock.timing(tokens), told)

    def _refuse_nothing(self) -> None:
        """Raise StageError when the whole stage has nothing to hand on."""
        if not self.rows:
            prompts = self.stage.steps * self.parts.training.rows_per_step
            raise StageError(
                f"nothing was kept of {self.objective.samples_per_prompt} answers to each of "
                f"{prompts} prompts, so there is nothing to train the next stage on; more answers "
                "(objective.samples_per_prompt), more prompts (training.steps), easier ones "
                "(data_mix.train.SOURCE.levels) or a model that solves some of them "
                "(start_from) help"
            )

    def state_dict(self) -> Tree:
        """Return the rows written so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.rows = list(state["rows"])
        self.known = {tuple(row[c] for c in self.objective.identity) for row in self.rows}

    def export(self, folder: Path) -> None:
        """Write the kept rows to ``folder/data/rows.jsonl``, one JSON object a line.

        All ranks have all rows; the first one writes.
        """
        if not current().is_main:
            return
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        with (data / "rows.jsonl").open("w", encoding="utf-8") as file:
            for row in self.rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _prompt_metrics(groups: Sequence[Sequence[Row]]) -> dict[str, float]:
    """Return the share of prompts with a correct answer, and how many a prompt has."""
    correct = [sum(is_correct(row) for row in group) for group in groups]
    count = max(1, len(correct))
    return {
        "prompts/with_correct": sum(number > 0 for number in correct) / count,
        "prompts/correct": sum(correct) / count,
    }
