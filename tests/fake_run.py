"""A run folder as a submission writes it, stage folders in any state, and a SLURM that is acted."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from etude.launch import registry, written
from etude.launch.registry import Submitted
from etude.plan.layout import LAYOUT
from etude.plan.nodes import EvaluationNode, Graph, Run, RunStage, StageNode
from etude.plan.references import Base, Made


class FakeRun:
    """A sweep over seeds, each member a chain of stages; stages are named as ``rl2`` (seed 2)."""

    def __init__(self, outputs: Path, name: str = "2026-01-01-sweep-77aa", **more: Any) -> None:
        self.outputs = outputs
        self.folder = outputs / "runs" / name
        self.folder.mkdir(parents=True)
        graph = Graph({}, {}, [], [], outputs, folder=self.folder)
        for seed in range(1, more.get("seeds", 1) + 1):
            self._member(graph, seed, more.get("stages", ("sft", "rl")), more.get("resources", {}))
        self.graph = graph
        written.write(
            graph, {"name": more.get("launcher", "slurm"), "memory_gib": 8.0, "time": "1:00:00"}
        )

    def _member(self, graph: Graph, seed: int, names: Any, resources: dict[str, Any]) -> None:
        views: list[RunStage] = []
        before: str | None = None
        for name in names:
            key, measured = f"{name}{seed}", f"e{name}{seed}"
            waits = (before,) if before else ()
            start = {"start": Made(before) if before else Base()}
            config = {"training": {"steps": 300}}
            graph.stages[key] = StageNode(
                name, key, key, config, "fake", waits, waits, start, resources=resources
            )
            graph.evaluations[measured] = EvaluationNode(
                name, measured, config, {"model": Made(key)}
            )
            graph.order += [graph.stages[key], graph.evaluations[measured]]
            views.append(RunStage(name, key, None, measured, waits))
            before = key
        overrides = ("objective=grpo", f"seed={seed}")
        graph.runs.append(Run("sweep", overrides, tuple(views), {"name": "sweep"}))

    def submit(self, jobs: dict[str, str], run: str | None = None) -> None:
        listed = [Submitted(key, job, run or self.folder.name) for key, job in jobs.items()]
        registry.record(self.outputs, self.folder, listed, by_stage=run is None)

    def attempt(self, key: str, number: int = 1, **about: Any) -> Path:
        """Write an attempt of a stage: its owner's job, its steps, its checkpoint."""
        folder = self.outputs / "stages" / self.graph.stages[key].folder_name
        place = folder / "attempts" / str(number)
        dump(folder / "stage.json", {"layout": LAYOUT, "steps": 300})
        owner = {"job": about.get("job"), "restart": about.get("restart", 0), "host": "n7"}
        dump(place / "attempt.json", {"first_step": 0, "owner": owner})
        text = f"execution:\n  threads: 2\n  micro_batch_tokens: {about.get('tokens', 4096)}\n"
        (place / "config.yaml").write_text(text)
        done = range(about.get("step", 0))
        lines(place / "metrics.jsonl", [{"step": n, "loss": 5.0 - n} for n in done])
        at = about.get("at", time.time())
        lines(place / "timing.jsonl", [{"step": n, "seconds": 2.0, "at": at} for n in done])
        (place / "log").write_text(f"log of attempt {number}\n")
        if about.get("kept"):
            dump(place / "checkpoints" / f"step_{about['kept']}" / "manifest.json", {})
        if about.get("error"):
            dump(place / "FAILED.json", {"step": about["step"], "error": about["error"]})
        return place

    def done(self, key: str, size: int = 4) -> None:
        folder = self.outputs / "stages" / self.graph.stages[key].folder_name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.bin").write_bytes(b"0123")
        files = {"model.bin": {"size": size}}
        dump(folder / "DONE.json", {"steps": 300, "attempts": 1, "files": files})

    def printed(self, key: str, job: str, restart: int = 0, rank: int = 0, text: str = "") -> Path:
        name = self.graph.stages[key].name
        place = registry.log_folder(self.folder, name, key, job, restart)
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"rank{rank}.log"
        path.write_text(text or f"job {job} restart {restart} rank {rank}\n")
        return path

    def ended(self, key: str, state: str, why: str = "", **about: Any) -> None:
        registry.write_ended(self.folder, key, {"state": state, "why": why, **about})


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def lines(path: Path, contents: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(content) + "\n" for content in contents))


class FakeSlurm:
    """Scripts in the place of SLURM's commands; each call is noted in ``calls``."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.log = folder / "calls"
        folder.mkdir()
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
        self.says()

    def says(self, queue: str | None = "", sacct: str | None = "") -> None:
        """Set what squeue (``812_3 RUNNING n7 None``) and sacct (``812_3 FAILED 1:0``) print.

        None has the command fail.
        """
        rows = [line.split(None, 3) for line in (queue or "").splitlines() if line.strip()]
        shown = [
            f"{job}|{state}|1:00|9:00|N/A|{node.strip('-')}|{why}" for job, state, node, why in rows
        ]
        self._write("squeue", None if queue is None else shown)
        found = [line.split() for line in (sacct or "").splitlines() if line.strip()]
        by = {"CANCELLED": "CANCELLED by 0"}
        ended = [f"{job}|{by.get(state, state)}|{code}|n7|60" for job, state, code in found]
        self._write("sacct", None if sacct is None else ended)
        self._write("scancel", [])

    def _write(self, name: str, shown: list[str] | None) -> None:
        end = "echo 'slurm is away' >&2; exit 1" if shown is None else "exit 0"
        text = "\n".join(shown or [])
        body = f"cat <<'EOF'\n{text}\nEOF\n" if text else ""
        program = self.folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{body}{end}\n')
        program.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """Return the arguments of the calls of one command."""
        said = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition(" ")[2] for line in said if line.startswith(f"{name} ")]
