"""The view in a log or a pipe: whole lines, no control codes, a step each tenth or ten seconds."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from etude.plan.lines import shown
from etude.plan.quantities import duration
from etude.schema import Schema
from etude.view.base import TextView
from etude.view.progress import fit

#: Seconds after which a line is due even when a tenth of the stage has not passed.
SECONDS_BETWEEN_LINES = 10.0


class PlainView(TextView):
    """Writes a run's events as lines to ``out``.

    A step is written when it is the first or the last, when it completes a tenth of the stage, and
    when ten seconds have passed and ``every`` divides its number.
    """

    def __init__(
        self,
        out: TextIO,
        schema: Schema,
        *,
        width: int = 100,
        every: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(schema, clock)
        self._out = out
        self._width = width
        self._every = max(1, every)
        self._last_line = 0.0

    @property
    def width(self) -> int:
        """Return the columns a line may take."""
        return self._width

    def put(self, line: str, style: str) -> None:
        """Write one line at once: a log that lags is no log."""
        try:
            self._out.write(line.rstrip() + "\n")
            self._out.flush()
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            # Whoever read it has gone (`train | head`, a terminal that was closed); that is no
            # reason to stop training.
            # The descriptor is replaced too, or Python would fail again when it flushes at exit.
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, self._out.fileno())
            os.close(descriptor)

    def stage_started(self, node: Any, *, attempt: int, first_step: int, folder: str) -> None:
        """Say that a stage begins or resumes."""
        super().stage_started(node, attempt=attempt, first_step=first_step, folder=folder)
        self._last_line = self.clock()
        if not first_step:
            self.say(f" {node.name} starts · {shown(Path(folder))}")

    def step_shown(self, node: Any, step: int) -> None:
        """Write a line when one is due."""
        progress = self.progress
        if progress is None or not self._due(step, progress.first_step, progress.steps):
            return
        self._last_line = self.clock()
        head = f" {node.name} {step + 1}/{progress.steps}"
        self.say(f"{head}  {fit(progress.figures(), max(30, self._width - len(head) - 2))}")

    def stage_finished(self, node: Any, *, seconds: float, folder: str) -> None:
        """Say that a stage is finished and where it lies."""
        super().stage_finished(node, seconds=seconds, folder=folder)
        self.say(f" {node.name} finished in {duration(seconds)} · {shown(Path(folder))}")

    def _due(self, step: int, first_step: int, steps: int) -> bool:
        done = step + 1
        tenth = steps > 0 and done * 10 // steps > step * 10 // steps
        late = self.clock() - self._last_line >= SECONDS_BETWEEN_LINES
        return step == first_step or done == steps or tenth or (late and done % self._every == 0)
