"""A stage that trains nothing: its files are written and its observers told, as execution does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etude.plan.nodes import EvaluationNode, Graph, Run, RunStage, StageNode
from etude.plan.references import Made

STAGE = "a" * 16
STEPS = 10


def a_run(outputs: Path, members: Sequence[tuple[str, ...]] = (("seed=7",),)) -> Graph:
    """Return the graph of a run of one stage, or of a sweep of one stage each."""
    stages, evaluations, runs = {}, {}, []
    for number, overrides in enumerate(members):
        key = STAGE[:-1] + "abcdef"[number]
        config = {"model": {"name": "scratch"}, "objective": {"name": "grpo"}, "seed": 7}
        config["training"] = {"steps": STEPS}
        stages[key] = StageNode("rl", key, "line", config, "policy_gradient")
        after = EvaluationNode("rl", f"e{number}", config, {"model": Made(key)})
        evaluations[after.fingerprint] = after
        root = {"seed": 1, "execution": {"report": False}}
        runs.append(Run("quick", overrides, (RunStage("rl", key, None, f"e{number}"),), root))
    folder = outputs / "runs" / "2026-01-31-quick-4f1c"
    return Graph(stages, evaluations, list(stages.values()), runs, outputs, folder)


def measured(value: float) -> dict[str, Any]:
    return {
        "metrics": {"pass@1": {"value": value, "low": value - 0.1, "high": value + 0.1}},
        "outcomes": {"correct": 3},
    }


class Attempt:
    """One attempt at a stage, from the checkpoint after ``first`` steps of the attempt before."""

    def __init__(self, observers: Sequence[Any], graph: Graph, number: int, first: int) -> None:
        self.observers, self.first = observers, first
        self.node = next(iter(graph.stages.values()))
        self.folder = graph.outputs / "stages" / self.node.folder_name / "attempts" / str(number)
        self.folder.mkdir(parents=True)
        origin = {"step": first, "attempt": number - 1, "stage": None} if first else None
        about = {"attempt": number, "first_step": first, "from": origin}
        (self.folder / "attempt.json").write_text(json.dumps(about))
        self.tell("stage_started", attempt=number, first_step=first, folder=str(self.folder))

    def tell(self, event: str, *values: Any, **named: Any) -> None:
        for each in self.observers:
            getattr(each, event)(self.node, *values, **named)

    def write(self, name: str, *lines: dict[str, Any]) -> None:
        with (self.folder / f"{name}.jsonl").open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def steps(self, end: int) -> None:
        """Do the steps up to ``end``, with an evaluation after every fifth."""
        for step in range(self.first, end):
            metrics = {"loss": float(step), "reward/mean": step / 10, "reward/accuracy/raw": 0.5}
            timing = {"seconds": 0.25}
            self.write("samples", {"step": step, "prompt": f"{step} + 1 =", "reward": step})
            self.write("timing", {"step": step, **timing, "at": 1e9 + step})
            self.write("metrics", {"step": step, **metrics})
            self.tell("step_done", step, metrics, timing)
            if (step + 1) % 5 == 0:
                answers = [{"step": step + 1, "id": str(n), "response": "2"} for n in range(3)]
                self.write("evaluation_samples", *answers)
                self.write("evaluations", {"step": step + 1, **measured((step + 1) / 10)})
                self.tell("checkpoint_written", step + 1, "somewhere")
                self.tell("evaluated", step + 1, measured((step + 1) / 10))
