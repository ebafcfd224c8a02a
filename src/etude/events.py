"""What happens in a run, told to whoever watches: the terminal view and the trackers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol


class Observer(Protocol):
    """Receives the events of a run in order; every method may be a no-op.

    ``node`` is a plan node (it has ``name``, ``fingerprint``, ``config``). ``evaluation`` is the
    JSON of an evaluation result.
    """

    def run_started(self, run: Any) -> None:
        """Begin a run; ``run`` is the plan's graph with its folder."""

    def stage_started(self, node: Any, *, attempt: int, first_step: int, folder: str) -> None:
        """Begin an attempt of a stage at ``first_step`` (0 when nothing was resumed)."""

    def stage_skipped(self, node: Any, *, seconds_saved: float) -> None:
        """Say that a finished stage with this fingerprint is used as it is."""

    def step_done(
        self, node: Any, step: int, metrics: Mapping[str, float], timing: Mapping[str, float]
    ) -> None:
        """Report one finished step, numbered from 0."""

    def checkpoint_written(self, node: Any, step: int, path: str) -> None:
        """Report a checkpoint after ``step`` finished steps."""

    def evaluated(self, node: Any, step: int | None, evaluation: Mapping[str, Any]) -> None:
        """Report an evaluation; ``step`` is None for a node of its own."""

    def evaluation_failed(self, node: Any, *, error: str) -> None:
        """Report an evaluation that failed, in words; training does not rest on it."""

    def stage_finished(self, node: Any, *, seconds: float, folder: str) -> None:
        """Report a stage whose DONE.json has been written."""

    def stage_failed(self, node: Any, *, step: int | None, error: BaseException) -> None:
        """Report a stage that failed; nothing after it runs."""

    def warned(self, message: str) -> None:
        """Pass on something a person should know (a checkpoint skipped as corrupt, a shadow)."""

    def run_finished(self, run: Any) -> None:
        """End a run, also after a failure."""


#: The names of the events, in the order of the protocol.
EVENTS: tuple[str, ...] = tuple(name for name in vars(Observer) if not name.startswith("_"))


class Tellers(ABC):
    """An observer that does one thing at every event: what :meth:`teller` makes of its name."""

    run_started: Any
    stage_started: Any
    stage_skipped: Any
    step_done: Any
    checkpoint_written: Any
    evaluated: Any
    evaluation_failed: Any
    stage_finished: Any
    stage_failed: Any
    warned: Any
    run_finished: Any

    def __init__(self) -> None:
        for event in EVENTS:
            setattr(self, event, self.teller(event))

    @abstractmethod
    def teller(self, event: str) -> Any:
        """Return what is called at an event, with the event's own arguments."""
