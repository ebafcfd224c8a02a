"""A tracker in a thread of its own: what it fails to do, or never ends doing, costs no training.

Events are handed over and told there in their order. What goes wrong is said once, when it happens,
and again where the end of a run says what lies where.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from etude.events import EVENTS, Tellers
from etude.printable import printable_line
from etude.tracker.interface import Following
from etude.unexpected import cause_of

#: Seconds that a run waits for a tracker at an event: its beginning costs some, its end has to send
#: what is left. At others it does not wait at all, and once it was late not again before the end.
WAITS = {"stage_started": 60.0, "evaluated": 60.0, "run_finished": 360.0}

#: Seconds at one event after which a tracker is taken for one that hangs.
HANGS = 900.0

_Event = tuple[str, tuple[Any, ...], dict[str, Any]]


class Apart(Tellers):
    """Tells a tracker of a run, in a thread of its own; none of its methods raises or hangs.

    ``warn`` is called by the thread that tells events, with what the tracker says through
    :meth:`say` and with what goes wrong.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Callable[[str], None]], Following | None],
        warn: Callable[[str], None],
    ) -> None:
        self.name = name
        self._warn = warn
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._waiting = 0
        self._since = 0.0
        self._late = False
        self._trouble = ""
        self._moved = threading.Condition()
        self._thread: threading.Thread | None = None
        self.following = make(self._said.put)
        super().__init__()

    def teller(self, event: str) -> Callable[..., None]:
        """Return what hands an event over."""

        def tell(*args: Any, **named: Any) -> None:
            self.do(event, *args, **named)

        return tell

    def do(self, what: str, *args: Any, **named: Any) -> None:
        """Have the tracker's method ``what`` called after all that it was told before."""
        if self.following is None or self._trouble:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
            self._thread.start()
        with self._moved:
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting += 1
            self._events.put((what, args, named))
        self._wait(WAITS.get(what, 0.0 if what in EVENTS else WAITS["run_finished"]))
        if not self._trouble and self._waiting and time.monotonic() - self._since > HANGS:
            self._fell(f"it has been at one event for {HANGS / 60:g} minutes")
        while not self._said.empty():
            self._warn(self._said.get())

    def where(self) -> str:
        """Return where the run can be looked at, and what is missing there."""
        place = self.following.where() if self.following is not None else ""
        if not self._trouble:
            return place
        missing = f"{self.name}: {self._trouble}; what came after is in the stage folders alone"
        return "\n".join(filter(None, (place, missing)))

    def _wait(self, seconds: float) -> None:
        """Wait until all is told, at most so long; at a run's end that is a failure."""
        last = seconds >= WAITS["run_finished"]
        if seconds <= 0.0 or (self._late and not last):
            return
        with self._moved:
            told = self._moved.wait_for(lambda: not self._waiting or self._trouble, seconds)
        self._late = not told
        if not told and last:
            self._fell(f"it did not end within {seconds:g} s of the run")

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            what, args, named = event
            if not self._trouble:
                try:
                    getattr(self.following, what)(*args, **named)
                except (Exception, SystemExit) as error:  # its failure is a value here: it is told
                    self._fell(f"failed at '{what}' ({cause_of(error)})")
            with self._moved:
                self._since = time.monotonic()
                self._waiting -= 1
                self._moved.notify_all()

    def _fell(self, why: str) -> None:
        with self._moved:
            if self._trouble:
                return
            self._trouble = printable_line(why)
            self._moved.notify_all()
        self._said.put(
            f"tracker {self.name}: {self._trouble}. Nothing more of this run goes there; training "
            "goes on, and metrics.jsonl of each stage has every step"
        )
