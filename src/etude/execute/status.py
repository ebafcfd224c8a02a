"""How far the runs of this machine are, read from their folders; imports no torch."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etude.errors import StorageError
from etude.execute.lock import is_held
from etude.plan import layout
from etude.plan.nodes import own_overrides
from etude.plan.quantities import counted

_TAIL = 1 << 20


@dataclass(frozen=True)
class StageStatus:
    """One stage of a run: ``state`` is done, running, failed, stopped or waiting."""

    name: str
    fingerprint: str
    state: str
    overrides: tuple[str, ...] = ()
    attempt: int = 0
    step: int = 0
    steps: int = 0
    resumes_from: int = 0
    cause: str = ""

    @property
    def line(self) -> str:
        """Return what a person needs to know of it, in one line."""
        head = f"{self.name}-{self.fingerprint[:4]}  {' '.join(self.overrides)}".rstrip()
        at = f"step {self.step}/{self.steps}"
        if self.state == "done":
            return f"{head}  done  {counted(self.steps, 'step')}"
        if self.state == "running":
            return f"{head}  RUNNING  attempt {self.attempt}, {at}"
        if self.state == "waiting":
            return f"{head}  WAITING{f' for {self.cause}' if self.cause else ''}"
        resume = f"Goes on from step {self.resumes_from} when the same command is run again."
        if self.state == "failed":
            cause = (self.cause.splitlines() or ["unknown"])[0].rstrip(".")
            return f"{head}  FAILED  attempt {self.attempt}, {at}: {cause}. {resume}"
        return f"{head}  STOPPED  attempt {self.attempt}, {at}. {resume}"


@dataclass(frozen=True)
class RunStatus:
    """One run folder and its stages, shared ones once."""

    name: str
    state: str
    stages: tuple[StageStatus, ...]
    problems: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Return the run in words: a line of totals, then each stage."""
        counts = {
            state: sum(stage.state == state for stage in self.stages)
            for state in ("done", "running", "waiting", "stopped", "failed")
        }
        totals = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        total = counted(len(self.stages), "stage")
        return [f"{self.name}   {total}{f': {totals}' if totals else ''}"] + [
            f" {stage.line}" for stage in self.stages
        ]


def runs(outputs: Path, wanted: str | None = None) -> list[RunStatus]:
    """Return the runs under ``outputs``, newest first; ``wanted`` is part of a name.

    Raises StorageError when no run has that name.
    """
    parent = outputs / layout.RUNS
    folders = [path for path in parent.glob("[!.]*") if path.is_dir()] if parent.is_dir() else []
    folders.sort(key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    if wanted is not None:
        known = ", ".join(path.name for path in folders[:5]) or "none"
        folders = [path for path in folders if wanted in path.name]
        if not folders:
            raise StorageError(
                f"no run under {parent} is called '{wanted}'; the newest are {known}"
            )
    return [_run(outputs, folder) for folder in folders]


def _run(outputs: Path, folder: Path) -> RunStatus:
    result = layout.read_json(folder / "result.json") or {}
    stages: dict[str, StageStatus] = {}
    members = result.get("runs", [])
    for run, own in zip(members, own_overrides([m["overrides"] for m in members]), strict=True):
        before: list[StageStatus] = []
        for entry in run["stages"]:
            fingerprint = entry["fingerprint"]
            if fingerprint not in stages:
                stages[fingerprint] = stage_status(
                    outputs, entry["name"], fingerprint, before, tuple(own), entry.get("waits_for")
                )
            before.append(stages[fingerprint])
    problems = tuple(result.get("problems", ()))
    return RunStatus(
        folder.name, str(result.get("state", "unknown")), tuple(stages.values()), problems
    )


def stage_status(
    outputs: Path,
    name: str,
    fingerprint: str,
    before: Sequence[StageStatus] = (),
    overrides: tuple[str, ...] = (),
    waits_for: str | None = None,
) -> StageStatus:
    """Return the state of a stage from its folder and its lock."""
    folder = layout.stage_folder(outputs, name, fingerprint)
    done = layout.finished(folder)
    if done is not None:
        steps = int(done["steps"])
        return StageStatus(name, fingerprint, "done", overrides, done["attempts"], steps, steps)
    attempts = layout.attempts(folder)
    if not attempts:
        cause = waits_for or ", ".join(each.name for each in before if each.state != "done")
        return StageStatus(name, fingerprint, "waiting", overrides, cause=cause)
    newest = attempts[-1]
    about = layout.read_json(folder / "stage.json") or {}
    failed = layout.read_json(newest / layout.FAILED)
    kept = layout.checkpoints(folder)
    state = "failed" if failed is not None else "stopped"
    return StageStatus(
        name,
        fingerprint,
        "running" if is_held(outputs, fingerprint) else state,
        overrides,
        attempt=int(newest.name),
        step=int(failed["step"]) if failed is not None else _last_step(newest),
        steps=int(about.get("steps", 0)),
        resumes_from=kept[0].step if kept else 0,
        cause=str(failed["error"]) if failed is not None else "",
    )


def _last_step(attempt: Path) -> int:
    """Return the finished steps of an attempt, from the end of its metrics."""
    path = attempt / "metrics.jsonl"
    first = (layout.read_json(attempt / "attempt.json") or {}).get("first_step", 0)
    if not path.is_file():
        return int(first)
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL))
        lines = [line for line in stream.read().split(b"\n")[:-1] if line.startswith(b"{")]
    return int(json.loads(lines[-1])["step"]) + 1 if lines else int(first)


def lines(outputs: Path, wanted: str | None = None, most: int = 5) -> Iterator[str]:
    """Yield what ``etude status`` prints: the newest runs, or those whose name has ``wanted``."""
    found = runs(outputs, wanted)
    if not found:
        yield f"no runs under {outputs / layout.RUNS}"
    for run in found[:most]:
        yield from run.lines
    if len(found) > most:
        yield f"and {counted(len(found) - most, 'older run')}: etude status NAME"


def main(arguments: Sequence[str]) -> int:
    """Run ``etude status [RUN] [--outputs FOLDER]``; return the exit code."""
    parser = argparse.ArgumentParser("etude status", description=main.__doc__)
    parser.add_argument("run", nargs="?", help="part of a run's name; default: the newest runs")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(arguments)
    for line in lines(given.outputs.expanduser().absolute(), given.run):
        print(line)
    return 0
