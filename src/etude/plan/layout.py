"""What lies where under ``outputs/``, read without torch: stage folders, attempts, checkpoints.

docs/stages.md describes the folders. Nothing here writes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from etude.plan import records
from etude.plan.records import Report, read_json, unsaid

__all__ = ["read_json"]

#: The version of what is written under ``outputs``. What another version wrote is recognised by it,
#: named and left alone; it counts in fingerprints, so nothing of another version is ever taken up.
LAYOUT = 3

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

#: What a stage and an evaluation say of themselves, and a run of what it stood on.
STAGE = "stage.json"
EVALUATION = "evaluation.json"
ENVIRONMENT = "environment.json"


@dataclass(frozen=True)
class CheckpointRef:
    """A complete-looking checkpoint on disk: its manifest is there, nothing else was checked."""

    step: int
    attempt: int
    path: Path


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
    def _abouts(self) -> dict[Path, dict[str, Any]]:
        """Return what every stage says of itself, by its folder."""
        folders = stage_folders(self.outputs)
        read = ((folder, read_json(folder / STAGE, records.STAGE)) for folder in folders)
        return {folder: about for folder, about in read if about is not None}

    @cached_property
    def lineages(self) -> dict[str, list[tuple[Path, str]]]:
        """Return lineage → (folder, fingerprint) of every stage that says its own."""
        found: dict[str, list[tuple[Path, str]]] = {}
        for folder, about in self._abouts.items():
            if about.get("lineage") is not None and said_version(about) == LAYOUT:
                entry = (folder, str(about.get("fingerprint")))
                found.setdefault(str(about["lineage"]), []).append(entry)
        return found

    @cached_property
    def plains(self) -> dict[str, list[Path]]:
        """Return plain print (the fingerprint without code) → the folders of its stages."""
        found: dict[str, list[Path]] = {}
        for folder, about in self._abouts.items():
            if about.get("plain") is not None and said_version(about) == LAYOUT:
                found.setdefault(str(about["plain"]), []).append(folder)
        return found

    @cached_property
    def of_another_version(self) -> dict[str, list[Path]]:
        """Return stage name → the folders of that name that another version of etude wrote."""
        found: dict[str, list[Path]] = {}
        for folder, about in self._abouts.items():
            if said_version(about) != LAYOUT:
                found.setdefault(folder.name.rpartition("-")[0], []).append(folder)
        return found


def said_version(about: Mapping[str, Any]) -> Any:
    """Return the version of the layout that a record says it has; the first said nothing."""
    return about.get("layout", 1)


def version_of(folder: Path) -> Any:
    """Return the version of the layout that the folder of a stage, an evaluation or a run has.

    The present one where no record says otherwise.
    """
    for name in (STAGE, DONE, ENVIRONMENT):
        about = read_json(folder / name)
        if about is not None:
            return said_version(about)
    return LAYOUT


def stage_folder(outputs: Path, name: str, fingerprint: str) -> Path:
    """Return the folder of one stage; see :meth:`Folders.stage`."""
    return Folders(outputs).stage(name, fingerprint)


def evaluation_folder(outputs: Path, name: str, fingerprint: str) -> Path:
    """Return the folder of one evaluation; see :meth:`Folders.evaluation`."""
    return Folders(outputs).evaluation(name, fingerprint)


def finished(folder: Path, report: Report = unsaid) -> dict[str, Any] | None:
    """Return DONE.json of a finished folder; None where it is not there or a size differs.

    ``report`` is told what is wrong with one that is there.
    """
    done = read_json(folder / DONE, records.DONE, report)
    if done is None:
        return None
    for name, entry in done["files"].items():
        try:
            found: int | None = (folder / name).stat().st_size
        except OSError:
            found = None
        if found != entry["size"]:
            has = "cannot be found" if found is None else f"has {found:,} bytes"
            report(f"{folder / name} {has}; it was published with {entry['size']:,}")
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
            if step.isdecimal() and os.path.lexists(path / MANIFEST):
                found.append(CheckpointRef(int(step), int(attempt.name), path))
    return sorted(found, key=lambda ref: (ref.step, ref.attempt), reverse=True)


def stage_folders(outputs: Path) -> list[Path]:
    """Return every stage folder under ``outputs``, by name."""
    parent = outputs / STAGES
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.glob("[!.]*") if path.is_dir())
