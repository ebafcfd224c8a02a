"""The files that a run began with: copied into its folder, and used by whatever works on the run.

A file may be edited while a run of it waits or trains. What a run computes is what its fingerprints
say, so every process that works on a run (this one, jobs, ``etude resume``) reads the copies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FOLDER = "by_path"

#: In the folder of copies: file as typed → its copy, and where it lay.
INDEX = "files.json"

#: File as typed → (its copy, where it lay), while this process works on a run.
_used: Mapping[str, tuple[Path, Path]] = {}


def place_of(typed: str, original: Path) -> tuple[Path, Path]:
    """Return where a file is read, and where it lay when the run's command was typed."""
    return _used.get(typed, (original, original))


@contextmanager
def used(run: Path | None) -> Iterator[None]:
    """Read the files that a run's folder holds copies of there, for the block."""
    global _used
    before = _used
    _used = {} if run is None else _read(run / FOLDER)
    try:
        yield
    finally:
        _used = before


def _read(folder: Path) -> dict[str, tuple[Path, Path]]:
    index = folder / INDEX
    if not index.is_file():
        return {}
    content = json.loads(index.read_text(encoding="utf-8"))
    return {
        typed: (folder / entry["copy"], Path(entry["original"])) for typed, entry in content.items()
    }


def changed(run: Path) -> list[str]:
    """Return the files of a run's components by path that are no longer what the run copied."""
    found = []
    for copy, original in _read(run / FOLDER).values():
        top = (run / FOLDER) / copy.relative_to(run / FOLDER).parts[0]
        lay = original.parents[len(copy.relative_to(top).parts) - 1]
        for path in sorted(top.rglob("*.py")):
            now = lay / path.relative_to(top)
            if not now.is_file() or now.read_bytes() != path.read_bytes():
                found.append(str(now))
    return list(dict.fromkeys(found))
