"""Tells every observer; one that fails is left out from then on, training goes on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import Any

from etude.events import Observer, Tellers
from etude.printable import printable
from etude.unexpected import cause_of


class Hearing(Tellers):
    """All observers as one :class:`etude.events.Observer`.

    Watching must not cost a training run: an observer that raises is dropped, and the others hear
    of it. Where none is left, what nobody hears is printed.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = list(observers)
        self._dropped = False
        super().__init__()

    def teller(self, event: str) -> Any:
        """Return what tells an event on; it never raises."""

        def tell(*args: Any, **named: Any) -> None:
            for observer in list(self._observers):
                try:
                    getattr(observer, event)(*args, **named)
                except Exception as error:  # the observer's failure is a value here: it is dropped
                    self._drop(observer, event, error)
            if self._dropped and not self._observers:
                _print(event, args, named)

        return tell

    def _drop(self, observer: Observer, event: str, error: Exception) -> None:
        self._observers.remove(observer)
        self._dropped = True
        self.warned(
            f"{type(observer).__name__} failed at '{event}' ({cause_of(error)}) and hears no more "
            "of this run; training goes on"
        )


def _print(event: str, args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Print what somebody must know and nobody is left to hear."""
    about = {
        "warned": lambda: f"warning: {args[0]}",
        "stage_failed": lambda: f"{args[0].name} FAILED: {named.get('error')}",
        "evaluation_failed": lambda: str(named.get("error")),
    }.get(event)
    if about is not None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            print(printable(about()), file=sys.stderr, flush=True)
