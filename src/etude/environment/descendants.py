"""Ending a process with all that it has started, whatever group or session that has moved to."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def end_descendants(process: int) -> None:
    """Kill everything that a process and what it started have started (Linux; else its group).

    It is stopped before, so that it starts nothing meanwhile.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGSTOP)
    for each in _below(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _below(process: int) -> list[int]:
    found: list[int] = []
    waiting = [process]
    while waiting:
        for listed in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(each) for each in listed.read_text().split()]
                waiting += children
                found += children
    return found
