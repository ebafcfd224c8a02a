"""Ctrl-C, SIGTERM and SIGUSR2: noted at once, obeyed where a step has ended and can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from etude.errors import Interrupted

#: What a cluster sends some time before a limit or a preemption.
WARNING = signal.SIGUSR2

#: Signals that also reach every child of a job: those are blocked, so that no child inherits a
#: handler, and none (a verifier's worker, a sandbox) dies in the middle of the step that is saved.
_FOR_ALL = (signal.SIGTERM, WARNING)

_POLL_SECONDS = 0.25


class Stop:
    """Whether this process was asked to stop, and how that is done.

    A stage looks at ``requested`` after every step. Inside :meth:`at_once`, where nothing would be
    lost, the request raises Interrupted on the spot. A second Ctrl-C aborts by KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal = ""
        self._at_once = 0
        self._listening = False

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Handle SIGINT, SIGTERM and SIGUSR2 during the block; in another thread, do nothing.

        Inside such a block, another one changes nothing.
        """
        if self._listening or threading.current_thread() is not threading.main_thread():
            yield self
            return
        numbers = (signal.SIGINT, *_FOR_ALL)
        before = {number: signal.signal(number, self._heard) for number in numbers}
        self._listening = True
        try:
            with self._waiting():
                yield self
        finally:
            self._listening = False
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Block what reaches children too, and have a thread wait for it and pass it on."""
        if not hasattr(signal, "sigtimedwait"):  # not on macOS: there the handlers do
            yield
            return
        over = threading.Event()
        main = threading.get_ident()
        relayed = signal.SIGRTMIN

        def wait() -> None:
            while not over.is_set():
                caught = signal.sigtimedwait(_FOR_ALL, _POLL_SECONDS)
                # After SIGSTOP and SIGCONT, Python 3.11 returns a number that it never set.
                if caught is not None and caught.si_signo in _FOR_ALL:
                    waiting.append(caught.si_signo)
                    # Only the main thread runs Python's handlers, and its sleep must end.
                    signal.pthread_kill(main, relayed)

        def relay(number: int, frame: FrameType | None) -> None:
            while waiting:
                self._heard(waiting.pop(0), frame)

        waiting: list[int] = []
        handler = signal.signal(relayed, relay)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_ALL)
        thread = threading.Thread(target=wait, name="signals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.signal(relayed, handler)

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
