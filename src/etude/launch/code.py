"""The code that jobs run: a copy made when they are submitted, kept once for each state of it."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import etude
from etude.execute import atomic
from etude.execute.environment import COMMIT, git_commit

_SNAPSHOTS = ".code"


def snapshot(outputs: Path) -> Path:
    """Return a folder for PYTHONPATH with etude as it is now, copied unless it is there.

    What is edited while a job waits changes nothing in it. Raises StorageError.
    """
    package = Path(etude.__file__).parent
    digest = hashlib.sha256()
    for file in _files(package):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    place = outputs / _SNAPSHOTS / digest.hexdigest()[:16]
    if not place.is_dir():
        beside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        with atomic.storing(place):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(package, beside / package.name, ignore=ignored)
            (beside / package.name / COMMIT).write_text(git_commit() or "")
            try:
                beside.rename(place)
            except OSError:
                if not place.is_dir():
                    raise
                # Another submission was faster with the same content.
                shutil.rmtree(beside)
    return place


def _files(package: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(package, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        found += [Path(folder) / name for name in sorted(names)]
    return found
