"""What the report of a large sweep takes: 12 members of 1,000 steps, made up and reported.

    python benchmarks/report.py [FOLDER]

Writes a sweep of four objectives and three seeds under FOLDER (a temporary one by default) and
prints what `etude report` of it takes, in a process of its own: seconds, those of CPU (a loaded
machine does not count), and the size.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etude.execute.lines import to_line
from etude.launch import written
from etude.plan.layout import LAYOUT
from etude.plan.nodes import EvaluationNode, Graph, Run, RunStage, StageNode
from etude.plan.references import Base, Made

STEPS, PROBLEMS, ANSWERS, EVERY = 1000, 256, 8, 100
OBJECTIVES, SEEDS = ("grpo", "dapo", "rloo", "gspo"), (1, 2, 3)
OUTCOMES = ("correct", "wrong", "no_answer")

#: As many metrics as a stage of policy gradient writes.
METRICS = (
    *(f"reward/{name}" for name in ("mean", "std", "min", "max")),
    *(f"reward/{part}/{of}" for part in ("accuracy", "format") for of in ("raw", "weighted")),
    *(f"verifier/{name}" for name in ("correct", "wrong", "no_answer", "timed_out", "crashed")),
    *(f"rollout/length{of}" for of in ("", "_correct", "_wrong", "_finished", "_min", "_max")),
    *(f"groups/{of}" for of in ("pass@n", "signal", "all_correct", "none_correct")),
    *(f"objective/{of}" for of in ("approx_kl", "clip_fraction_high", "clip_fraction_low")),
    *("policy/entropy", "gradient_norm", "learning_rate", "loss", "rollout/truncated"),
    *(f"curriculum/{of}" for of in ("level", "band_low", "band_high")),
)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        outputs = Path(sys.argv[1] if len(sys.argv) > 1 else place)
        folder = sweep(outputs)
        began = time.perf_counter()
        words = ["report", folder.name, "--outputs", str(outputs)]
        subprocess.run([str(Path(sys.executable).with_name("etude")), *words], check=True)
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = used.ru_utime + used.ru_stime
        size = (folder / "report.html").stat().st_size / 1e6
        members = len(OBJECTIVES) * len(SEEDS)
        took = f"{seconds:.1f} s ({busy:.1f} s of CPU), {size:.1f} MB"
        print(f"{members} members × {STEPS:,} steps: {took}")


def sweep(outputs: Path) -> Path:
    folder = outputs / "runs" / "2026-01-01-sweep-77aa"
    folder.mkdir(parents=True)
    graph = Graph({}, {}, [], [], outputs, folder=folder)
    draw = random.Random(0)
    evaluation(graph, "base", "e0", None, 0.2, draw)
    for number, objective in enumerate(OBJECTIVES):
        for seed in SEEDS:
            key = f"{objective}{seed}"
            node = StageNode("rl", key, key, {"seed": seed}, "policy_gradient")
            graph.stages[key] = node
            graph.order.append(node)
            stage(outputs / "stages" / node.folder_name, number, draw)
            evaluation(graph, "rl", f"e{key}", key, 0.4 + 0.05 * number, draw)
            view = RunStage("rl", key, "e0", f"e{key}")
            typed = (f"objective={objective}", f"seed={seed}")
            graph.runs.append(Run("sweep", typed, (view,), {"name": "sweep"}))
    written.write(graph, {"name": "local"})
    dump(folder / "environment.json", {"layout": LAYOUT})
    dump(folder / "result.json", {"state": "done"})
    return folder


def stage(folder: Path, level: float, draw: random.Random) -> None:
    folder.mkdir(parents=True)
    dump(folder / "stage.json", {"layout": LAYOUT, "steps": STEPS, "learner": "policy_gradient"})
    metrics, timing, samples = [], [], []
    for step in range(STEPS):
        line = {name: level + draw.random() for name in METRICS}
        metrics.append({"step": step, **line, "tokens/sampled": 5000.0 * (step + 1)})
        seconds = {f"seconds/{of}": draw.random() for of in ("rollout", "update", "verifier_max")}
        timing.append({"step": step, "seconds": 2.0, "tokens_per_second": 2500.0, **seconds})
        samples += [{"step": step, **answer(draw, 0.3, n)} for n in range(8)]
    at = range(EVERY, STEPS + 1, EVERY)
    measured = {"pass@1": {"value": 0.4}, "pass@8": {"value": 0.7}}
    lines(folder / "metrics.jsonl", metrics)
    lines(folder / "timing.jsonl", timing)
    lines(folder / "samples.jsonl", samples)
    lines(folder / "evaluations.jsonl", [{"step": step, "metrics": measured} for step in at])
    during = [{"step": step, **each} for step in at for each in answers(draw, 0.4)]
    lines(folder / "evaluation_samples.jsonl", during)
    finish(folder, steps=STEPS, seconds=2.0 * STEPS)


def evaluation(
    graph: Graph, name: str, key: str, of: str | None, rate: float, draw: random.Random
) -> None:
    node = EvaluationNode(name, key, {}, {"model": Made(of) if of else Base()})
    graph.evaluations[key] = node
    graph.order.append(node)
    folder = graph.outputs / "evaluations" / node.folder_name
    folder.mkdir(parents=True)
    lines(folder / "samples.jsonl", answers(draw, rate))
    metric = {"value": rate, "low": rate - 0.03, "high": rate + 0.03}
    dump(folder / "result.json", {"metrics": {"pass@1": metric}, "problems": PROBLEMS})
    finish(folder, seconds=10.0)


def answers(draw: random.Random, rate: float) -> Iterator[dict[str, Any]]:
    for problem in range(PROBLEMS):
        for _ in range(ANSWERS):
            yield answer(draw, rate, problem)


def answer(draw: random.Random, rate: float, problem: int) -> dict[str, Any]:
    right = draw.random() < rate
    return {
        "id": f"arithmetic:{problem}",
        "prompt": f"{problem}+1=",
        "rendered": f"<|begin|><|user|>{problem}+1=<|assistant|>",
        "response": f"{problem}+1 is worked out step by step, A:{problem + right}",
        "answer": str(problem + 1),
        "outcome": "correct" if right else draw.choice(OUTCOMES[1:]),
        "parts": {"accuracy": float(right), "format": 1.0},
        "extracted": str(problem + right),
        "stop_reason": "stop",
        "length": 20,
    }


def lines(path: Path, contents: Any) -> None:
    path.write_bytes(b"".join(map(to_line, contents)))


def dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def finish(folder: Path, **about: Any) -> None:
    files = {path.name: {"size": path.stat().st_size, "sha256": ""} for path in folder.iterdir()}
    dump(folder / "DONE.json", {"layout": LAYOUT, **about, "files": files})


if __name__ == "__main__":
    main()
