"""The view in a terminal: finished lines scroll by, the stage that runs has one live line below."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from etude.plan.describe import wrapped
from etude.plan.quantities import duration
from etude.printable import printable
from etude.schema import Schema
from etude.view.base import TextView
from etude.view.progress import StageProgress, fit

_BAR = 28
_NAME = 16
#: Columns from which the bar and the figures share a line.
_WIDE = 90
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveView(TextView):
    """Shows a run in a terminal with a live line for the stage that runs.

    The line is redrawn four times a second, so that a long step is seen to be alive. Colours follow
    the terminal and ``NO_COLOR``.
    """

    owns_terminal = True

    def __init__(
        self, out: TextIO, schema: Schema, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(schema, clock)
        self._console = Console(file=out, highlight=False)
        self._live: Live | None = None
        self._name_width = 0
        self._broken: Exception | None = None
        # The cursor is hidden while a line is live: whatever ends the process must bring it back.
        atexit.register(self._stop)

    @property
    def width(self) -> int:
        """Return the columns of the terminal, one left free against wrapping."""
        return max(20, self._console.width - 1)

    def put(self, line: str, style: str) -> None:
        """Print one line above the live one."""
        self._console.print(Text(line, style=style), soft_wrap=True)

    def warned(self, message: str) -> None:
        """Say a warning, wrapped to the terminal."""
        for line in wrapped(f"warning: {message}", 1, self.width):
            self.say(line, "yellow")

    def run_started(self, run: Any) -> None:
        """Print the start tree."""
        self._name_width = max((len(node.name) for node in run.stages.values()), default=0)
        super().run_started(run)

    def stage_started(self, node: Any, *, attempt: int, first_step: int, folder: str) -> None:
        """Begin the live line of a stage."""
        self._stop()
        super().stage_started(node, attempt=attempt, first_step=first_step, folder=folder)
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=4, transient=True
        )
        self._live.start(refresh=True)

    def stage_finished(self, node: Any, *, seconds: float, folder: str) -> None:
        """Leave the last state of the live line behind."""
        progress = self.progress
        self._stop()
        super().stage_finished(node, seconds=seconds, folder=folder)
        if progress is not None:
            for line in self._lines(progress, " ", duration(seconds)):
                self._console.print(line, soft_wrap=True)

    def stage_failed(self, node: Any, *, step: int | None, error: BaseException) -> None:
        """End the live line and say what happened."""
        self._stop()
        super().stage_failed(node, step=step, error=error)

    def run_finished(self, run: Any) -> None:
        """End the live line, if one is left, and close with the table."""
        self._stop()
        super().run_finished(run)

    def step_shown(self, node: Any, step: int) -> None:
        """Raise what drawing the line met: the thread that redraws it can tell nobody."""
        error, self._broken = self._broken, None
        if error is not None:
            raise error

    def take_down(self) -> None:
        """End the live line, so that other lines can follow."""
        self._stop()

    def _render(self) -> Group | Text:
        progress = self.progress
        if progress is None or self._broken is not None:
            return Text("")
        frame = _SPINNER[int(self.clock() * 8) % len(_SPINNER)]
        try:
            return Group(*self._lines(progress, frame, ""))
        except Exception as error:
            self._broken = error
            return Text("")

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _lines(self, progress: StageProgress, mark: str, tail: str) -> list[Text]:
        """Return the live line of a stage; two lines where one would not hold the figures."""
        return lines(progress, self.width, self._name_width, mark, tail)


def lines(progress: StageProgress, width: int, name_width: int, mark: str, tail: str) -> list[Text]:
    """Return a stage's bar and figures in ``width`` columns, between ``mark`` and ``tail``."""
    wide = width >= _WIDE
    share = min(1.0, progress.done / progress.steps) if progress.steps else 0.0
    at = f"{progress.done}/{progress.steps}"
    name = printable(progress.name).ljust(min(name_width, _NAME))
    name = name if len(name) <= _NAME else name[: _NAME - 1] + "…"
    length = max(4, min(_BAR, width - len(name) - len(at) - 6))
    head = Text(f"{mark}{name} ", no_wrap=True, overflow="ellipsis")
    head.append_text(_bar(share, length)).append(f" {at}")
    room = width - head.cell_len - 2 if wide else width - 3
    figures = fit(progress.figures(), room - len(tail) - 2 if tail else room)
    told = Text(
        "  ".join(part for part in (figures, tail) if part), no_wrap=True, overflow="ellipsis"
    )
    if wide:
        return [head.append("  ").append_text(told)]
    return [head, Text("   ", no_wrap=True).append_text(told)] if told else [head]


def _bar(share: float, length: int) -> Text:
    halves = int(share * length * 2)
    full, half = divmod(halves, 2)
    bar = Text("━" * full + ("╸" if half else ""), style="green" if share >= 1 else "cyan")
    return bar.append("━" * (length - full - half), style="bright_black")
