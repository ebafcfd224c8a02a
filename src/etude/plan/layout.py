"""What lies where under ``outputs/``, read without torch: stage folders, attempts, checkpoints.

docs/stages.md describes the folders. Nothing here writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

STAGES = "stages"
EVALUATIONS = "evaluations"
RUNS = "runs"
LOCKS = ".locks"
CODE = ".code"
CODE_LINKS = "code"
REPLACED = ".replaced-"
DONE = "DONE.json"
FAILED = "FAILED.json"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class CheckpointRef:
    """A complete-looking checkpoint on disk: its manifest is there, nothing else was checked."""

    step: int
    attempt: int
    path: Path


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None where there is none or it is torn."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return content if isinstance(content, dict) else None


class Folders:
    """The folders under ``outputs`` by fingerprint and by lineage, listed once and then remembered.

    For looking at many nodes at one moment: what appears later is not seen.
    """

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self._names: dict[str, dict[str, str]] = {}

    def stage(self, name: str, fingerprint: str) -> Path:
        """Return the folder of a stage: the one its fingerprint has, else the one it would get."""
        return self._folder(STAGES, name, fingerprint)

    def evaluation(self, name: str, fingerprint: str) -> Path:
        """Return the folder of an evaluation, found like a stage's."""
        return self._folder(EVALUATIONS, name, fingerprint)

    def _folder(self, kind: str, name: str, fingerprint: str) -> Path:
        own = self.outputs / kind / f"{name}-{fingerprint}"
        if own.is_dir():
            return own
        # The same work may have been done under another stage name: the fingerprint decides.
        there = self._by_fingerprint(kind).get(fingerprint)
        return own if there is None else own.with_name(there)

    def _by_fingerprint(self, kind: str) -> dict[str, str]:
        if kind not in self._names:
            parent = self.outputs / kind
            names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
            # Of several the first by name counts, so it is written last.
            self._names[kind] = {
                name.rpartition("-")[2]: name
                for name in sorted(names, reverse=True)
                if not name.startswith(".")
            }
        return self._names[kind]

    @cached_property
    def lineages(self) -> dict[str, list[tuple[Path, str]]]:
        """Return lineage → (folder, fingerprint) of every stage that says its own."""
        found: dict[str, list[tuple[Path, str]]] = {}
        for folder in stage_folders(self.outputs):
            about = read_json(folder / "stage.json") or {}
            if about.get("lineage") is not None:
                entry = (folder, str(about.get("fingerprint")))
                found.setdefault(str(about["lineage"]), []).append(entry)
        return found


def stage_folder(outputs: Path, name: str, fingerprint: str) -> Path:
    """Return the folder of one stage; see :meth:`Folders.stage`."""
    return Folders(outputs).stage(name, fingerprint)


def evaluation_folder(outputs: Path, name: str, fingerprint: str) -> Path:
    """Return the folder of one evaluation; see :meth:`Folders.evaluation`."""
    return Folders(outputs).evaluation(name, fingerprint)


def finished(folder: Path) -> dict[str, Any] | None:
    """Return DONE.json of a finished folder; None where it is not there or a size differs."""
    done = read_json(folder / DONE)
    if done is None or not isinstance(done.get("files"), dict):
        return None
    for name, entry in done["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != entry["size"]:
            return None
    return done


def attempts(folder: Path) -> list[Path]:
    """Return the attempt folders of a stage, oldest first."""
    parent = folder / "attempts"
    if not parent.is_dir():
        return []
    found = [path for path in parent.iterdir() if path.name.isdecimal() and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name))


def checkpoints(folder: Path) -> list[CheckpointRef]:
    """Return the checkpoints of all attempts of a stage, newest first."""
    found = []
    for attempt in attempts(folder):
        for path in (attempt / "checkpoints").glob("step_*"):
            step = path.name.removeprefix("step_")
            if step.isdecimal() and (path / MANIFEST).is_file():
                found.append(CheckpointRef(int(step), int(attempt.name), path))
    return sorted(found, key=lambda ref: (ref.step, ref.attempt), reverse=True)


def stage_folders(outputs: Path) -> list[Path]:
    """Return every stage folder under ``outputs``, by name."""
    parent = outputs / STAGES
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.glob("[!.]*") if path.is_dir())
