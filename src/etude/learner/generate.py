"""Generation: sample answers, have them judged, and hand on the kept ones as rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etude.curriculum.interface import StepPlan
from etude.learner.clock import Clock
from etude.learner.interface import StepResult, Tree
from etude.learner.make import StageContext
from etude.learner.parts import StageParts
from etude.learner.report import row_metrics, sample_record
from etude.learner.rollouts import Rollouts, is_judged
from etude.rows import Outcome, Row


class GenerateLearner:
    """Writes rows instead of a model: step n handles the n-th ``rows_per_step`` prompts."""

    def __init__(self, parts: StageParts, context: StageContext) -> None:
        self.parts = parts
        self.context = context
        self.objective = parts.objective
        self.steps: int = parts.training.steps
        self.policy = parts.policy(context.start, context.seed)
        self.rollouts = Rollouts(parts, context, self.policy)
        self.rows: list[dict[str, Any]] = []

    def step(self, step: int) -> StepResult:
        """Sample, judge and filter the answers to the next prompts."""
        clock = Clock()
        examples = self.rollouts.stream.next(self.parts.training.rows_per_step)
        with clock.phase("rollout"):
            sampler = self.rollouts.sampler(step, StepPlan())
            groups = sampler.sample(examples, self.objective.samples_per_prompt)
        judged = [[row for row in group if is_judged(row)] for group in groups]
        self.rollouts.reward(judged)
        kept = [row for group in judged for row in self._keep(group)]
        self.rows += [_record(row) for row in kept]
        sampled = [row for group in groups for row in group]
        metrics = {
            **row_metrics(sampled, self.parts.reward_weighting.weights),
            "rows/kept": float(len(kept)),
            "rows/total": float(len(self.rows)),
        }
        tokens = sum(len(row.tokens) for row in sampled)
        shown = sampled[: self.parts.execution.samples]
        return StepResult(metrics, [sample_record(row) for row in shown], clock.timing(tokens))

    def _keep(self, group: Sequence[Row]) -> list[Row]:
        """Return the rows of one prompt that are handed on, in the order they were sampled."""
        rows = list(group)
        if self.objective.keep == "correct":
            rows = [r for r in rows if r.verdict and r.verdict.outcome is Outcome.CORRECT]
        elif self.objective.keep == "best" and rows:
            rows = [max(rows, key=lambda row: row.reward)]
        if self.objective.deduplicate:
            rows = list({row.text: row for row in reversed(rows)}.values())[::-1]
        return rows[: self.objective.max_per_prompt]

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

    def export(self, folder: Path) -> None:
        """Write the kept rows to ``folder/data/rows.jsonl``, one JSON object a line."""
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        with (data / "rows.jsonl").open("w", encoding="utf-8") as file:
            for row in self.rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """End the engine and the verifier's workers."""
        self.rollouts.close()


def _record(row: Row) -> dict[str, Any]:
    """Return a kept answer as a row: the problem's own columns, and the answer as ``solution``."""
    return {
        **row.example.columns,
        "id": f"{row.prompt_id}#{row.index}",
        "prompt": row.example.prompt,
        "solution": row.text,
        "reward": row.reward,
    }
