"""W&B's offline files of earlier attempts, so that sending them later shows each stage as it is.

``wandb sync`` passes over a file with a mark beside it. The newest file of a stage has all that the
older ones have, and none of those may take its place. A process that was killed in its first
seconds leaves a file with nothing in it, at which ``wandb sync`` gives up all that it was given.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

#: Bytes of a file in which nothing was written yet.
_EMPTY = 7

#: Seconds after which nobody writes into a file any more that still holds nothing.
_DEAD = 3600.0

#: Seconds until what was logged is in the file; W&B takes its time otherwise.
FLUSH_SECONDS = 2.0


def offline_files(folder: Path, run: str = "*") -> list[Path]:
    """Return the offline files in W&B's folder, of one run where it is named, oldest first."""
    return sorted((folder / "wandb").glob(f"offline-run-*-{run}/run-{run}.wandb"))


def mark_sent(paths: Iterable[Path]) -> None:
    """Have ``wandb sync`` pass over some files."""
    for path in paths:
        path.with_name(f"{path.name}.synced").touch()


def empty_ones(folder: Path, older: Iterable[Path]) -> list[Path]:
    """Return files without content: those of ``older`` attempts, and any that nobody writes to."""
    left = set(older)
    return [path for path in offline_files(folder) if _is_empty(path, dead=path in left)]


def _is_empty(path: Path, *, dead: bool) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size <= _EMPTY and (dead or time.time() - found.st_mtime > _DEAD)
