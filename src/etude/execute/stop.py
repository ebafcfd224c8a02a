"""Ctrl-C and SIGTERM: noted at once, obeyed where a step has ended and can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from etude.errors import Interrupted


class Stop:
    """Whether this process was asked to stop, and how that is done.

    A stage looks at ``requested`` after every step. Inside :meth:`at_once`, where nothing would be
    lost, the request raises Interrupted on the spot. A second Ctrl-C aborts by KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal = ""
        self._at_once = 0

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Handle SIGINT and SIGTERM during the block; in a thread that cannot, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {
            number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def request(self, by: str = "request") -> None:
        """Ask to stop, as a signal would."""
        self.requested = True
        self.signal = by
        if self._at_once:
            self.check()

    def check(self) -> None:
        """Raise Interrupted when a stop was asked for."""
        if self.requested:
            raise Interrupted(f"interrupted ({self.signal})")

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a request during the block raise Interrupted without waiting for a step's end."""
        self.check()
        self._at_once += 1
        try:
            yield
        finally:
            self._at_once -= 1

    def _heard(self, number: int, frame: FrameType | None) -> Any:
        if self.requested and number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt
        if not self.requested:
            self.request("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
