"""Seconds that ``etude status`` takes for a large run: a sweep on disk and a SLURM that is acted.

    python benchmarks/status.py [--members 1000] [--rounds 3] [--folder FOLDER]

A sweep of ``members`` × 3 stages (sft, rl, distil) is written as a submission writes it, two thirds
of it done with all their files, the rest running, failed, waiting and requeued. ``squeue`` and
``sacct`` are scripts that print what a cluster would. Each figure is of a whole command, from the
start of Python to its last line; the best of the rounds, with the file system's cache warm.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etude.launch import registry, written
from etude.plan.nodes import EvaluationNode, Graph, Run, RunStage, StageNode
from etude.plan.references import Base, Made

STAGES = ("sft", "rl", "distil")
OBJECTIVES = ("grpo", "rloo", "dapo", "gspo")
CONFIG = {"training": {"steps": 300}, "execution": {"micro_batch_tokens": 4096}}
FILES = (
    *(f"model/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")),
    *(f"model/{name}" for name in ("tokenizer_config.json", "generation_config.json")),
    *("model/chat_template.jinja", "metrics.jsonl", "samples.jsonl", "timing.jsonl"),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--members", type=int, default=1000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, help="where to write it; default: a new folder")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="etude-status-") as temporary:
        place = options.folder or Path(temporary)
        started = time.perf_counter()
        graph = write_run(place / "outputs", options.members)
        with_slurm = act_slurm(place, graph)
        seconds = time.perf_counter() - started
        print(f"{len(graph.stages):,} stages written in {seconds:.1f} s")
        without = {**os.environ, "PATH": str(Path(sys.executable).parent)}
        for title, environment, words in (
            ("etude status", with_slurm, []),
            ("etude status --all", with_slurm, ["--all"]),
            ("etude status --json", with_slurm, ["--json"]),
            ("etude status, no SLURM on PATH", without, []),
        ):
            best, busy, printed = measure(place, environment, words, options.rounds)
            print(f"{title:<32} {best:6.2f} s ({busy:.2f} s of a core)  {printed:>7,} lines")


def measure(
    place: Path, environment: dict[str, str], words: list[str], rounds: int
) -> tuple[float, float, int]:
    """Return the fastest round's seconds, by the clock and of a core, and the lines printed."""
    code = "import sys; from etude.cli.etude import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "status", *words]
    best, busy, count = float("inf"), float("inf"), 0
    for _ in range(rounds):
        started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        printed = subprocess.run(
            command, cwd=place, env=environment, check=True, capture_output=True, text=True
        )
        best = min(best, time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        busy, count = min(busy, spent), printed.stdout.count("\n")
    return best, busy, count


def write_run(outputs: Path, members: int) -> Graph:
    """Write a sweep's graph, jobs, and stage folders in states of all kinds."""
    graph = Graph({}, {}, [], [], outputs, folder=outputs / "runs" / "2026-01-01-sweep-77aa")
    for number in range(members):
        graph.runs.append(member(graph, number))
    assert graph.folder is not None
    graph.folder.mkdir(parents=True)
    written.write(graph, {"name": "slurm", "memory_gib": 16})
    jobs = jobs_of(graph)
    listed = [registry.Submitted(key, job, graph.folder.name) for key, job in jobs.items()]
    registry.record(outputs, graph.folder, listed)
    for number, run in enumerate(graph.runs):
        for depth, view in enumerate(run.stages):
            write_stage(graph, view.stage, jobs[view.stage], state_of(number, depth))
    return graph


def member(graph: Graph, number: int) -> Run:
    """Add the stages and evaluations of one member of the sweep to a graph."""
    views: list[RunStage] = []
    before: str | None = None
    for name in STAGES:
        fingerprint = hashlib.sha256(f"{name} {number}".encode()).hexdigest()[:16]
        after = evaluation_of(fingerprint)
        waits = (before,) if before else ()
        start = {"start": Made(before) if before else Base()}
        node = StageNode(name, fingerprint, fingerprint, CONFIG, "fake", waits, waits, start)
        measured = EvaluationNode(name, after, CONFIG, {"model": Made(fingerprint)})
        graph.stages[fingerprint], graph.evaluations[after] = node, measured
        graph.order += [node, measured]
        views.append(RunStage(name, fingerprint, None, after, waits))
        before = fingerprint
    overrides = (f"objective={OBJECTIVES[number % 4]}", f"seed={number // 4}")
    return Run("sweep", overrides, tuple(views), {"name": "sweep"})


def jobs_of(graph: Graph) -> dict[str, str]:
    """Return the job of each stage: tasks of one array for each place in the pipeline."""
    return {
        view.stage: f"{900 + depth}_{number}"
        for number, run in enumerate(graph.runs)
        for depth, view in enumerate(run.stages)
    }


def evaluation_of(fingerprint: str) -> str:
    return f"e{fingerprint[1:]}"


def state_of(number: int, depth: int) -> str:
    """Return the state that a stage is written in; most are done, as late in a sweep."""
    if number % 3 < 2:
        return "done"
    if number % 30 == 2:
        return ("done", "failed", "cancelled")[depth]
    if number % 30 == 5:
        return ("done", "requeued", "waiting")[depth]
    later = ("done", "running", "waiting") if number % 2 else ("running", "waiting", "waiting")
    return later[depth]


def write_stage(graph: Graph, fingerprint: str, job: str, state: str) -> None:
    """Write what a stage in a state leaves on disk."""
    if state in ("waiting", "cancelled"):
        return
    node = graph.stages[fingerprint]
    folder = graph.outputs / "stages" / node.folder_name
    attempt = folder / "attempts" / "1"
    checkpoint = attempt / "checkpoints" / "step_100"
    checkpoint.mkdir(parents=True)
    dump(checkpoint / "manifest.json", {})
    about = {"name": node.name, "fingerprint": fingerprint, "lineage": fingerprint, "steps": 300}
    dump(folder / "stage.json", about)
    dump(attempt / "attempt.json", {"first_step": 0, "owner": {"job": job, "restart": 0}})
    (attempt / "config.yaml").write_text("execution:\n  threads: 2\n  micro_batch_tokens: 4096\n")
    lines(
        attempt / "metrics.jsonl", ({"step": n, "loss": 3.0, "reward/mean": 0.4} for n in steps())
    )
    lines(
        attempt / "timing.jsonl", ({"step": n, "seconds": 2.0, "at": time.time()} for n in steps())
    )
    assert graph.folder is not None
    printed = registry.log_folder(graph.folder, node.name, fingerprint, job, 0)
    printed.mkdir(parents=True)
    (printed / "rank0.log").write_text("rl 1/300\n")
    if state == "done":
        (folder / "model").mkdir()
        for name in FILES:
            (folder / name).write_bytes(b"0123456789")
        files = {name: {"size": 10, "sha256": "0" * 64} for name in FILES}
        dump(folder / "DONE.json", {"steps": 300, "attempts": 1, "seconds": 600, "files": files})
        name = f"{node.name}-{evaluation_of(fingerprint)}"
        measured = graph.outputs / "evaluations" / name
        measured.mkdir(parents=True)
        dump(measured / "DONE.json", {"files": {}})
    if state == "failed":
        error = "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
        failed = {"stage": node.name, "step": 110, "resumes_from": 100, "error": error}
        dump(attempt / "FAILED.json", failed)
        ended = {"state": "failed", "why": error, "step": 100, "code": 1, "job": job}
        registry.write_ended(graph.folder, fingerprint, ended)
    if state == "requeued":
        note = registry.Requeue(job, 0, "preempted", 100)
        registry.write_requeue(graph.folder, fingerprint, note)


def steps() -> Iterator[int]:
    return iter(range(100, 110))


def dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))


def lines(path: Path, contents: Iterator[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(content) + "\n" for content in contents))


def act_slurm(place: Path, graph: Graph) -> dict[str, str]:
    """Write scripts in the place of squeue and sacct; return an environment that finds them."""
    jobs = jobs_of(graph)
    queue, accounts = [], []
    for number, run in enumerate(graph.runs):
        for depth, view in enumerate(run.stages):
            state, job = state_of(number, depth), jobs[view.stage]
            if state == "running":
                queue.append(f"{job}|RUNNING|12:00|48:00|N/A|n{number % 64:03d}|None")
            elif state == "requeued":
                queue.append(f"{job}|PENDING|0:00|1:00:00|N/A||Priority")
            elif state == "waiting":
                queue.append(f"{job}|PENDING|0:00|1:00:00|N/A||Dependency")
            else:
                word = {"done": "COMPLETED", "failed": "FAILED", "cancelled": "CANCELLED by 0"}
                accounts.append(f"{job}|{word[state]}|0:0|n001|700")
    programs = place / "bin"
    programs.mkdir()
    for name, printed in (("squeue", queue), ("sacct", accounts)):
        (place / name).write_text("\n".join(printed) + "\n")
        program = programs / name
        program.write_text(f"#!/bin/sh\ncat {place / name}\n")
        program.chmod(0o755)
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


if __name__ == "__main__":
    main()
