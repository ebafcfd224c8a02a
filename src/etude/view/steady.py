"""A view that cannot go dark: where it fails at an event, that event is told in bare lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from etude.events import Tellers
from etude.printable import printable
from etude.unexpected import cause_of
from etude.view.bare import bare_lines
from etude.view.base import TextView

#: Failures at one event after which a view is not asked to tell that event again.
_PATIENCE = 3


class SteadyView(Tellers):
    """A view as an :class:`etude.events.Observer` that never raises and never falls silent.

    What fails is said once an event, with its reason. A view that owns the terminal (a live one)
    is taken down and ``plain`` makes the one that follows it; plain lines stay.
    """

    def __init__(self, view: TextView, plain: Callable[[TextView], TextView] | None = None) -> None:
        self.view = view
        self._plain = plain
        self._failed: dict[str, int] = {}
        super().__init__()

    def teller(self, event: str) -> Any:
        """Return what tells an event on; it never raises."""

        def tell(*args: Any, **named: Any) -> None:
            if self._failed.get(event, 0) < _PATIENCE:
                try:
                    getattr(self.view, event)(*args, **named)
                except Exception as error:  # the view's failure is a value here: it is told
                    self._fell(event, error)
                else:
                    return
            self._say(*_bare(event, args, named))

        return tell

    def _fell(self, event: str, error: Exception) -> None:
        first = event not in self._failed
        self._failed[event] = self._failed.get(event, 0) + 1
        if self._plain is not None:
            make, self._plain = self._plain, None
            try:
                self.view.take_down()
                self.view = make(self.view)
            except Exception as more:
                self._say(f" warning: nor could plain lines begin ({cause_of(more)})")
        if first:
            self._say(
                f" warning: the view failed at '{event}' ({cause_of(error)}); what it would have "
                "shown is told in plain lines, and the run goes on"
            )

    def _say(self, *lines: str) -> None:
        for line in lines:
            try:
                self.view.say(line)
            except Exception:  # where nothing can be shown, the other stream is the last place
                _write(line)


def _bare(event: str, args: tuple[Any, ...], named: dict[str, Any]) -> list[str]:
    try:
        return bare_lines(event, args, named)
    except Exception as error:
        return [f" {event} cannot be told ({cause_of(error)})"]


def _write(line: str) -> None:
    data = f"{printable(line)}\n".encode(errors="backslashreplace")
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, data)
    except (OSError, ValueError):
        return  # closed or full as well: the run's own files have it
