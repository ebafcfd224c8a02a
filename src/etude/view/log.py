"""What a stage's view shows, written into the log of its attempt: `etude logs` prints it."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from etude.schema import Schema
from etude.view.plain import PlainView


class AttemptLog(PlainView):
    """Plain lines of each stage in its attempt's ``log``; what is of no stage is left to others."""

    def __init__(self, schema: Schema, *, every: int = 1) -> None:
        self._log: Path | None = None
        super().__init__(sys.stdout, schema, every=every)

    def put(self, line: str, style: str) -> None:
        """Write one line; on a full disk it is lost, and the files that matter say so."""
        if self._log is not None:
            with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as stream:
                stream.write(line.rstrip() + "\n")

    def stage_started(self, node: Any, *, attempt: int, first_step: int, folder: str) -> None:
        """Begin to write beside what loggers write there."""
        self._log = Path(folder, "log")
        super().stage_started(node, attempt=attempt, first_step=first_step, folder=folder)

    def stage_finished(self, node: Any, *, seconds: float, folder: str) -> None:
        """Write the end."""
        super().stage_finished(node, seconds=seconds, folder=folder)
        self._log = None

    def stage_failed(self, node: Any, *, step: int | None, error: BaseException) -> None:
        """Write the end; the attempt itself writes there why it failed."""
        super().stage_failed(node, step=step, error=error)
        self._log = None
