"""Tells every observer; one that fails is left out from then on, training goes on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from etude.events import Observer

_EVENTS = (
    "run_started",
    "stage_started",
    "stage_skipped",
    "step_done",
    "checkpoint_written",
    "evaluated",
    "stage_finished",
    "stage_failed",
    "warned",
    "run_finished",
)


class Hearing:
    """All observers as one :class:`etude.events.Observer`.

    Watching must not cost a training run: an observer that raises is dropped, the others and
    Python's warnings hear of it once.
    """

    run_started: Any
    stage_started: Any
    stage_skipped: Any
    step_done: Any
    checkpoint_written: Any
    evaluated: Any
    stage_finished: Any
    stage_failed: Any
    warned: Any
    run_finished: Any

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)
        for event in _EVENTS:
            setattr(self, event, self._teller(event))

    def _teller(self, event: str) -> Any:
        def tell(*args: Any, **named: Any) -> None:
            for observer in list(self._observers):
                try:
                    getattr(observer, event)(*args, **named)
                except Exception as error:  # the observer's failure is a value here: it is dropped
                    self._drop(observer, event, error)

        return tell

    def _drop(self, observer: Observer, event: str, error: Exception) -> None:
        self._observers.remove(observer)
        message = (
            f"{type(observer).__name__} failed at '{event}' ({type(error).__name__}: {error}) and "
            "hears no more of this run; training goes on"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=4)
        self.warned(message)
