"""Samples as tables of a bounded size: the last lines of a file of samples."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Characters of a text that a table shows; the file has all of it.
LONGEST = 8192

#: Bytes from the end of a file that are read for each row.
_A_ROW = 65536


def read_samples(folder: Path, most: int) -> list[dict[str, Any]]:
    """Return the last ``most`` samples of a stage or attempt folder, oldest first.

    A stage folder's joined file counts before the newest attempt's own.
    """
    path = _samples_file(folder)
    return [] if path is None else last_lines(path, most)


def last_lines(
    path: Path, most: int, wanted: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the last ``most`` objects of a file of lines, oldest first; none without a file.

    ``wanted`` are values that an object must have under its keys (None: or none at all). Only the
    end of a long file is read. A line that a killed attempt left unfinished is passed over.
    """
    if most < 1:
        return []
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - most * _A_ROW))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    found: list[dict[str, Any]] = []
    for line in reversed(lines[1:] if start else lines):
        try:
            sample = json.loads(line)
        except ValueError:
            continue
        if isinstance(sample, dict) and all(sample.get(k) == v for k, v in (wanted or {}).items()):
            found.append(sample)
            if len(found) == most:
                break
    return found[::-1]


def as_table(samples: list[dict[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Return column names and rows; anything that is no scalar becomes JSON text."""
    columns = list(dict.fromkeys(key for sample in samples for key in sample))
    return columns, [[_cell(sample.get(column)) for column in columns] for sample in samples]


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    # One column may hold 1 in one row and 1.5 in another; a table wants one type.
    if isinstance(value, (int, float)):
        return float(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def _samples_file(folder: Path) -> Path | None:
    own = folder / "samples.jsonl"
    if own.is_file():
        return own
    attempts = [path for path in folder.glob("attempts/*/samples.jsonl") if path.is_file()]
    return max(attempts, key=lambda path: path.stat().st_mtime) if attempts else None
