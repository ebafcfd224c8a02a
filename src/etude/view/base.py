"""What both views share: they keep the run's record and turn events into lines of text."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from etude.errors import Interrupted
from etude.events import Observer
from etude.execute.failures import apart
from etude.plan.describe import start_lines
from etude.plan.quantities import duration
from etude.printable import printable
from etude.schema import Schema
from etude.unexpected import cause_of
from etude.view.ending import end_lines
from etude.view.progress import StageProgress, rollouts_of, steps_of
from etude.view.record import RunRecord, summary
from etude.view.watch import Watch


class TextView(Observer):
    """Tells a run as lines; a subclass says where lines go and how steps are shown.

    ``clock`` returns seconds.
    """

    #: Whether it draws over lines, so that no other output can follow while it is up.
    owns_terminal: ClassVar[bool] = False

    def __init__(self, schema: Schema, clock: Callable[[], float] = time.monotonic) -> None:
        self.schema = schema
        self.clock = clock
        self.record = RunRecord()
        #: Says where trackers put the run, once it is over; a line each.
        self.elsewhere: Callable[[], str] | None = None
        self.progress: StageProgress | None = None
        self._watch: Watch | None = None

    @property
    @abstractmethod
    def width(self) -> int:
        """Return the columns a line may take."""

    @abstractmethod
    def put(self, line: str, style: str) -> None:
        """Write one line that stays; ``style`` is a colour where there are colours."""

    def say(self, line: str = "", style: str = "") -> None:
        """Write text that stays; nothing in it steers the terminal."""
        self.put(printable(line), style)

    def follow(self, other: TextView) -> None:
        """Go on where another view has come to."""
        self.record, self.elsewhere = other.record, other.elsewhere
        self.progress, self._watch = other.progress, other._watch

    def take_down(self) -> None:
        """Give the terminal back, for another view to go on."""
        return

    def step_shown(self, node: Any, step: int) -> None:
        """Show a finished step; the figures are in ``self.progress``."""
        return

    def checkpoint_written(self, node: Any, step: int, path: str) -> None:
        """Say nothing: a checkpoint is what a person expects."""
        return

    def run_started(self, run: Any) -> None:
        """Write the start tree."""
        for line in start_lines(run, self.schema, self.width):
            self.say(line)

    def stage_started(self, node: Any, *, attempt: int, first_step: int, folder: str) -> None:
        """Begin to follow a stage, and say so when it resumes."""
        self.progress = StageProgress(node.name, steps_of(node), first_step, clock=self.clock)
        self._watch = Watch(node.name, rollouts_of(node, self.schema))
        self.record.stage(node.fingerprint).state = "running"
        if first_step:
            self.say(f" {node.name}: resumes after step {first_step} (attempt {attempt})")

    def stage_skipped(self, node: Any, *, seconds_saved: float) -> None:
        """Say that a finished stage is used as it is."""
        known = self.record.stage(node.fingerprint)
        known.state, known.seconds = "skipped", seconds_saved
        self.say(
            f" {node.name} done ({node.fingerprint[:8]}, {duration(seconds_saved)} saved)", "green"
        )

    def step_done(
        self, node: Any, step: int, metrics: Mapping[str, float], timing: Mapping[str, float]
    ) -> None:
        """Show a step, and say at once what deserves an eye."""
        if self.progress is None or self._watch is None:
            return
        self.progress.step_done(step, metrics, timing)
        self.record.stage(node.fingerprint).step_done(metrics)
        for message in self._watch.look(step, metrics):
            self.warned(message)
        self.step_shown(node, step)

    def evaluated(self, node: Any, step: int | None, evaluation: Mapping[str, Any]) -> None:
        """Say an evaluation's first metrics."""
        if step is None:
            self.record.evaluations[node.fingerprint] = evaluation
        at = f" at step {step}" if step is not None else ""
        of = evaluation.get("evaluation")  # one beside main, made in training
        name = node.name if of is None else f"{node.name}.{of}"
        self.say(f" {name}{at}: {summary(evaluation)}", "dim")

    def stage_finished(self, node: Any, *, seconds: float, folder: str) -> None:
        """Record that a stage is finished and where it lies."""
        known = self.record.stage(node.fingerprint)
        known.state, known.seconds, known.folder = "done", seconds, folder
        self.progress = None

    def stage_failed(self, node: Any, *, step: int | None, error: BaseException) -> None:
        """Say that a stage failed or was interrupted; the end of the run says how to go on."""
        known = self.record.stage(node.fingerprint)
        self.progress = None
        at = f" at step {step}" if step is not None else ""
        if isinstance(error, (Interrupted, KeyboardInterrupt)):
            known.state = "interrupted"
            self.say(f" {node.name} interrupted{at}", "yellow")
            return
        cause, after = apart(cause_of(error))
        known.state, known.problem = "failed", after
        if cause.startswith(f"stage {node.name} ("):
            # "stage rl (3c1e9be2), attempt 2, failed at step 4: " says again what stands before it.
            cause = cause.partition(": ")[2] or cause
        first, *more = cause.splitlines()
        self.say(f" {node.name} FAILED{at}: {first}", "red")
        for line in more:
            self.say(f"   {line}", "red")

    def evaluation_failed(self, node: Any, *, error: str) -> None:
        """Say that an evaluation failed, and why."""
        self.record.unmeasured[node.fingerprint] = node.name
        first, *more = error.splitlines() or [""]
        self.say(f" FAILED: {first}", "red")
        for line in more:
            self.say(f"   {line}", "red")

    def warned(self, message: str) -> None:
        """Say a warning."""
        self.say(f" warning: {message}", "yellow")

    def run_finished(self, run: Any) -> None:
        """Write the table of stages and where everything lies."""
        self.say()
        elsewhere = self.elsewhere() if self.elsewhere is not None else ""
        for line in end_lines(run, self.record, self.width, elsewhere):
            self.say(line)
