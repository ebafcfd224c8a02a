"""The last act of a stage: what it hands on takes its place, joined files, then DONE.json."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etude.distributed.together import by_main
from etude.distributed.world import current
from etude.errors import StageError
from etude.execute import atomic
from etude.execute.attempt import FILES, Attempt, lines_of
from etude.execute.environment import device, git_commit
from etude.execute.ranks import FollowedAttempt
from etude.execute.watchdog import progress
from etude.learner.interface import Learner
from etude.plan import layout
from etude.plan.digest import sha256_of
from etude.plan.nodes import StageNode
from etude.plan.published import check_files
from etude.plan.records import Report, unsaid


def publish(
    learner: Learner,
    attempt: Attempt | FollowedAttempt,
    folder: Path,
    *,
    steps: int,
    model_step: int,
    check: Callable[[], None] = lambda: None,
    report: Report = unsaid,
) -> dict[str, Any]:
    """Export, join the attempts' lines and write DONE.json last; return its content.

    A kill at any point leaves the stage unfinished, and the next attempt publishes again. ``check``
    is called before anything takes its place, and may raise; what this attempt had exported is
    removed then. All ranks of a stage export together and the first one writes. Raises
    StorageError, and StageError when the learner did not write what the stage hands on.
    """
    started = time.perf_counter()
    beside = folder / f".export-{attempt.number}"

    def begin() -> None:
        with atomic.storing(beside):
            if beside.exists():
                shutil.rmtree(beside)
            beside.mkdir()

    def finish() -> dict[str, Any]:
        node = attempt.node
        for name in node.outputs:
            if not (beside / name).is_dir():
                raise StageError(f"stage {node.name} wrote no {name}/, which it is to hand on")
        for name in node.outputs:
            with atomic.storing(folder):
                (folder / name).parent.mkdir(exist_ok=True)
            atomic.publish_folder(beside / name, folder / name, check)
            progress()
        shutil.rmtree(beside, ignore_errors=True)
        return _done(attempt, folder, started, steps, model_step, check, report)

    by_main(begin)
    try:
        learner.export(beside)
        progress()
        return by_main(finish)
    finally:
        if current().is_main:
            shutil.rmtree(beside, ignore_errors=True)


def _done(
    attempt: Attempt | FollowedAttempt,
    folder: Path,
    started: float,
    steps: int,
    model_step: int,
    check: Callable[[], None],
    report: Report,
) -> dict[str, Any]:
    """Write the joined lines and DONE.json; return its content."""
    node = attempt.node
    for name in FILES:
        lines = lines_of(attempt.folder, name, None, report)
        if lines or name in ("metrics", "samples", "timing"):
            with atomic.writing(folder / f"{name}.jsonl", check) as stream:
                stream.writelines(lines)
    asked = node.config.get("execution") or {}
    done = {
        "layout": layout.LAYOUT,
        "name": node.name,
        "fingerprint": node.fingerprint,
        "lineage": node.lineage,
        "steps": steps,
        "model_step": model_step,
        "seconds": _seconds(attempt.folder) + time.perf_counter() - started,
        "attempts": attempt.number,
        "device": device(str(asked.get("device") or "auto"), current().size),
        "git_commit": git_commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "files": _files(folder, node.outputs),
    }
    atomic.write_json(folder / layout.DONE, done, check)
    return done


def _files(folder: Path, outputs: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    paths = [path for name in outputs for path in sorted((folder / name).rglob("*"))]
    paths += [folder / f"{name}.jsonl" for name in FILES]
    found = {}
    for path in paths:
        if path.is_file():
            entry = {"size": path.stat().st_size, "sha256": sha256_of(path)}
            found[path.relative_to(folder).as_posix()] = entry
            progress()
    return found


def _seconds(attempt: Path) -> float:
    """Return the seconds of the steps that count, without those that an interruption lost."""
    lines = (json.loads(raw) for raw in lines_of(attempt, "timing", None))
    return sum(float(line.get("seconds") or 0.0) for line in lines)


def handed_on(folder: Path, node: StageNode, what: str) -> Path:
    """Return the folder of an output of a finished stage (``model``), every hash checked.

    Raises StageError when the stage is not finished or does not hand it on, CheckpointError naming
    the file that is not as it was published.
    """
    done = layout.finished(folder)
    if done is None:
        raise StageError(f"stage {node.name} ({folder}) is not finished; nothing can start from it")
    files = {name: entry for name, entry in done["files"].items() if name.startswith(f"{what}/")}
    if not files:
        raise StageError(f"stage {node.name} ({folder}) hands on no {what}")
    check_files(folder, node.name, files, progress)
    return folder / what
