"""Generation: sample answers, have them judged, and hand on what the objective makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etude.curriculum.interface import StepPlan
from etude.distributed.world import current
from etude.errors import StageError
from etude.learner.clock import Clock
from etude.learner.interface import StepResult, Tree
from etude.learner.make import StageContext
from etude.learner.parts import StageParts
from etude.learner.report import row_metrics, sample_record
from etude.learner.rollouts import Rollouts, is_judged
from etude.objective.generation import Generation, is_correct
from etude.rows import Row


class GenerateLearner:
    """Writes rows instead of a model: step n handles the n-th ``rows_per_step`` prompts."""

    def __init__(self, parts: StageParts, context: StageContext) -> None:
        self.parts = parts
        self.context = context
        self.objective: Generation = parts.objective
        self.steps: int = parts.training.steps
        self.policy = parts.policy(context.start, context.seed)
        self.rollouts = Rollouts(parts, context, self.policy)
        self.rows: list[dict[str, Any]] = []
        self.known: set[tuple[Any, ...]] = set()

    def step(self, step: int) -> StepResult:
        """Sample and judge the answers to the next prompts, and take what is worth handing on."""
        clock = Clock()
        examples = self.rollouts.stream.next(self.parts.training.rows_per_step)
        sampler = self.rollouts.sampler(step, StepPlan())
        with clock.phase("rollout"):
            groups = sampler.sample(examples, self.objective.samples_per_prompt)
        sampled = [row for group in groups for row in group]
        judged = [[row for row in group if is_judged(row)] for group in groups]
        self.rollouts.reward(judged)
        with clock.phase("harvest"):
            harvest = self.objective.harvest(judged, sampler)
        kept = self.objective.unrepeated(harvest.rows, self.known)
        # A prompt that comes again in a later step gets other answers with the same numbers.
        self.rows += [{**row, "id": f"{row['id']}@{step}"} for row in kept]
        metrics = {
            **row_metrics(sampled, self.parts.reward_weighting.weights),
            **_prompt_metrics(judged),
            **harvest.metrics,
            "rows/kept": float(harvest.accepted),
            "rows/distinct": float(len(kept)),
            "rows/total": float(len(self.rows)),
        }
        if step == self.steps - 1:
            self._refuse_nothing()
        tokens = sum(len(row.tokens) for row in sampler.sampled)
        shown = sampled[: self.parts.execution.samples]
        return StepResult(metrics, [sample_record(row) for row in shown], clock.timing(tokens))

    def _refuse_nothing(self) -> None:
        """Raise StageError when the whole stage has nothing to hand on."""
        if not self.rows:
            prompts = self.steps * self.parts.training.rows_per_step
            raise StageError(
                f"nothing was kept of {self.objective.samples_per_prompt} answers to each of "
                f"{prompts} prompts, so there is nothing to train the next stage on; more answers "
                "(objective.samples_per_prompt), more prompts (training.steps), easier ones "
                "(data_mix.train.<source>.levels) or a model that solves some of them "
                "(start_from) help"
            )

    def evaluate(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Measure the sampling policy on the held-out rows."""
        return self.parts.evaluate(self.policy, self.context)

    def state_dict(self) -> Tree:
        """Return the rows written so far and where the prompts stand."""
        return {"stream": self.rollouts.stream.state_dict(), "rows": self.rows}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.rollouts.stream.load_state_dict(state["stream"])
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

    def close(self) -> None:
        """End the engine and the verifier's workers."""
        self.rollouts.close()


def _prompt_metrics(groups: Sequence[Sequence[Row]]) -> dict[str, float]:
    """Return the share of prompts with a correct answer, and how many a prompt has."""
    correct = [sum(is_correct(row) for row in group) for group in groups]
    count = max(1, len(correct))
    return {
        "prompts/with_correct": sum(number > 0 for number in correct) / count,
        "prompts/correct": sum(correct) / count,
    }
