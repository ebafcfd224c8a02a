"""An ``outputs/`` folder as runs leave it, of answers that a test makes up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etude.execute.lines import to_line
from etude.launch import written
from etude.plan.layout import LAYOUT
from etude.plan.nodes import EvaluationNode, Graph, Measured, Run, RunStage, StageNode
from etude.plan.references import Base, Made, as_json

CONFIG: dict[str, Any] = {
    "verifier": {"name": "number"},
    "rollout": {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 40},
    "evaluation": {"name": "pass_at_k", "samples": 8, "greedy": False},
    "data_mix": {"held_out": {"arithmetic": {"split": "test"}}, "prompt_template": "{prompt}"},
    "model": {"name": "tiny"},
    "seed": 1,
}

_NOT_PUBLISHED = ("stage.json", "config.yaml", "DONE.json")


def samples(
    correct: np.ndarray, source: str | Sequence[str] = "arithmetic", **more: Any
) -> list[dict[str, Any]]:
    """Return the records of judged answers that are right where ``correct`` ``[P, K]`` says so.

    ``source`` is that of every problem, or one each. ``more`` replaces what every record has.
    """
    found = []
    for problem, row in enumerate(correct):
        of = source if isinstance(source, str) else source[problem]
        for index, right in enumerate(row):
            record = {
                "id": f"{of}:{problem}",
                "index": index,
                "prompt": f"{problem}+1=",
                "rendered": f"<|user|>{problem}+1=<|assistant|>",
                "response": "A:" + (str(problem + 1) if right else "0"),
                "answer": str(problem + 1),
                "outcome": "correct" if right else "wrong",
                "extracted": str(problem + 1) if right else "0",
                "parts": {"accuracy": float(right), "format": 1.0},
                "stop_reason": "stop",
                "length": 10 + index,
            }
            found.append({**record, **more})
    return found


class Recorded:
    """A sweep's ``outputs/``: what each member's stage measured is told member by member."""

    def __init__(self, outputs: Path, name: str = "2026-01-01-sweep-77aa") -> None:
        self.outputs = outputs
        self.folder = outputs / "runs" / name
        self.folder.mkdir(parents=True)
        self.graph = Graph({}, {}, [], [], outputs, folder=self.folder)

    def evaluation(
        self,
        fingerprint: str,
        records: Sequence[Mapping[str, Any]],
        stage: str | None = None,
        name: str = "rl",
        **more: Any,
    ) -> Path:
        """Write a finished evaluation; ``more`` is laid over its config, ``settings`` over those.

        Without ``told`` it says nothing of itself, as evaluations of an earlier etude.
        """
        settings = {"temperature": 1.0, "max_new_tokens": 40, "seed": 0}
        settings |= more.pop("settings", {})
        told, of = more.pop("told", True), more.pop("of", "main")
        model = Base() if stage is None else Made(stage)
        node = EvaluationNode(name, fingerprint, {**CONFIG, **more}, {"model": model}, of=of)
        self.graph.evaluations[fingerprint] = node
        self.graph.order.append(node)
        folder = self.outputs / "evaluations" / node.folder_name
        folder.mkdir(parents=True)
        (folder / "samples.jsonl").write_bytes(b"".join(map(to_line, records)))
        rights = [record.get("outcome") == "correct" for record in records] or [False]
        rate = float(np.mean(rights))
        metrics = {"pass@1": {"value": rate, "low": rate, "high": rate}}
        result = {"metrics": metrics, "problems": len({r["id"] for r in records})}
        dump(folder / "result.json", {**result, "settings": settings})
        if told:
            about = {"of": node.of, "inputs": {"model": as_json(model)}, "config": node.config}
            dump(folder / "evaluation.json", {"name": name, "fingerprint": fingerprint, **about})
        done(folder, name, fingerprint, model=str(self.stage_folder(stage) / "model"))
        return folder

    def stage_folder(self, fingerprint: str | None) -> Path:
        """Return the folder of a stage; that of none is the base model's."""
        return self.outputs / "stages" / f"rl-{fingerprint}" if fingerprint else self.outputs

    def stage(
        self, fingerprint: str, steps: int = 10, tokens: float = 100.0, seconds: float = 2.0
    ) -> Path:
        """Write a finished stage of so many steps, each of so many sampled tokens and seconds."""
        node = StageNode("rl", fingerprint, "l" + fingerprint, CONFIG, "policy_gradient")
        self.graph.stages[fingerprint] = node
        self.graph.order.append(node)
        folder = self.stage_folder(fingerprint)
        (folder / "model").mkdir(parents=True)
        (folder / "model" / "config.json").write_text("{}")
        (folder / "config.yaml").write_text("seed: 1\nobjective: {name: policy_gradient}\n")
        about = {"layout": LAYOUT, "steps": steps, "learner": "policy_gradient"}
        dump(folder / "stage.json", {**about, "fingerprint": fingerprint, "name": "rl"})
        lines(
            folder / "metrics.jsonl",
            [
                {"step": n, "tokens/sampled": tokens * (n + 1), "reward/mean": 0.1 * n}
                for n in range(steps)
            ],
        )
        lines(folder / "timing.jsonl", [{"step": n, "seconds": seconds} for n in range(steps)])
        lines(folder / "samples.jsonl", [])
        done(folder, "rl", fingerprint, steps=steps, seconds=seconds * steps)
        return folder

    def member(
        self,
        overrides: Sequence[str],
        stage: str,
        after: str,
        before: str | None = None,
        **others: str,
    ) -> None:
        """Add a member whose only stage has these evaluations; ``others`` are named ones, after."""
        named = tuple(Measured(name, None, key) for name, key in others.items())
        view = RunStage("rl", stage, before, after, others=named)
        self.graph.runs.append(Run("sweep", tuple(overrides), (view,), {"name": "sweep"}))

    def finish(self) -> Path:
        """Write the plan of the run; return the run's folder."""
        written.write(self.graph, {"name": "local"})
        dump(self.folder / "environment.json", {"layout": LAYOUT, "python": "3.11"})
        dump(self.folder / "result.json", {"state": "done", "runs": []})
        return self.folder


def done(folder: Path, name: str, fingerprint: str, **more: Any) -> None:
    """Write DONE.json over what is published in a folder."""
    files = {
        path.relative_to(folder).as_posix(): {
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _NOT_PUBLISHED
    }
    about = {"layout": LAYOUT, "name": name, "fingerprint": fingerprint, "seconds": 1.0}
    dump(folder / "DONE.json", {**about, **more, "files": files})


def dump(path: Path, content: Any) -> None:
    """Write a file of JSON, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def lines(path: Path, contents: Sequence[Mapping[str, Any]]) -> None:
    """Write a file of JSON lines."""
    path.write_bytes(b"".join(map(to_line, contents)))
