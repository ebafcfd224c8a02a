"""The samples of a stage as a table: the last lines of its samples.jsonl."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any


def read_samples(folder: Path, most: int) -> list[dict[str, Any]]:
    """Return the last ``most`` samples of a stage or attempt folder, oldest first.

    A stage folder's joined file counts before the newest attempt's own. A line that a killed
    attempt left unfinished is passed over.
    """
    path = _samples_file(folder)
    if path is None or most < 1:
        return []
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = deque(file, maxlen=most)
    samples = []
    for line in lines:
        try:
            sample = json.loads(line)
        except ValueError:
            continue
        if isinstance(sample, dict):
            samples.append(sample)
    return samples


def as_table(samples: list[dict[str, Any]]) -> tuple[list[str | int], list[list[Any]]]:
    """Return column names and rows; anything that is no scalar becomes JSON text."""
    columns: list[str | int] = list(dict.fromkeys(key for sample in samples for key in sample))
    return columns, [[_cell(sample.get(str(column))) for column in columns] for sample in samples]


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    # One column may hold 1 in one row and 1.5 in another; W&B wants one type.
    if isinstance(value, (int, float)):
        return float(value)
    return json.dumps(value, ensure_ascii=False)


def _samples_file(folder: Path) -> Path | None:
    own = folder / "samples.jsonl"
    if own.is_file():
        return own
    attempts = [path for path in folder.glob("attempts/*/samples.jsonl") if path.is_file()]
    return max(attempts, key=lambda path: path.stat().st_mtime) if attempts else None
