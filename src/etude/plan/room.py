"""How much memory this machine has for a stage, found without torch."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

_ASK_SECONDS = 5.0


def memory(device: str, root: Path = Path("/")) -> float | None:
    """Return the bytes of one GPU (``cuda``; the smallest), or of main memory that may be used.

    A limit of a container or a job counts. None where it cannot be found out. ``root`` is where
    ``proc`` and ``sys`` lie.
    """
    found = list(_gpus() if device == "cuda" else _main(root))
    return min(found) if found else None


def _main(root: Path) -> Iterator[float]:
    for line in _text(root / "proc" / "meminfo").splitlines():
        if line.startswith("MemTotal:"):
            yield 1024.0 * int(line.split()[1])
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        _, kinds, place = line.split(":", 2)
        top = root / "sys" / "fs" / "cgroup" / ("memory" if kinds else "")
        if kinds and "memory" not in kinds.split(","):
            continue
        name = "memory.limit_in_bytes" if kinds else "memory.max"
        own = top / place.lstrip("/")
        # Inside a container the path may be that of its host; the top is then its own.
        for folder in (own, *own.parents):
            limit = _text(folder / name).strip()
            if limit.isdecimal():
                yield float(limit)
            if folder == top:
                break


def _gpus() -> Iterator[float]:
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.splitlines():
        if line.strip().isdecimal():
            yield int(line) * 2.0**20


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
