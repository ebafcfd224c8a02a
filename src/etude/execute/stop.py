"""Ctrl-C, SIGTERM, SIGHUP and SIGUSR2: noted at once, obeyed where a step can be kept."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from etude.errors import Interrupted

#: What a cluster sends some time before a limit or a preemption.
WARNING = signal.SIGUSR2

#: Signals that also reach every child of a job: those are blocked, so that no child inherits a
#: handler, and none (a verifier's worker, a sandbox) dies in the middle of the step that is saved.
_FOR_ALL = (signal.SIGTERM, signal.SIGHUP, WARNING)

_POLL_SECONDS = 0.25

#: Seconds that a call into compiled code may still take once a stop was asked for where nothing
#: would be lost; then the process ends without it.
PATIENCE = 5.0


class Stop:
    """Whether this process was asked to stop, and how that is done.

    A stage looks at ``requested`` after every step. Inside :meth:`at_once`, where nothing would be
    lost, the request raises Interrupted on the spot. A second Ctrl-C aborts by KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal = ""
        self._at_once = 0
        self._costless = 0
        self._listening = False

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Handle SIGINT and what a cluster or a lost terminal sends; in another thread, nothing.

        Inside such a block, another one changes nothing. SIGHUP stays ignored where it was (nohup).
        """
        if self._listening or threading.current_thread() is not threading.main_thread():
            yield self
            return
        heard = _heard_here()
        numbers = (signal.SIGINT, *heard)
        before = {number: signal.signal(number, self._heard) for number in numbers}
        self._listening = True
        try:
            with self._waiting(heard):
                yield self
        finally:
            self._listening = False
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def _waiting(self, heard: tuple[signal.Signals, ...]) -> Iterator[None]:
        """Block what reaches children too, and have a thread wait for it and pass it on."""
        if not hasattr(signal, "sigtimedwait"):  # not on macOS: there the handlers do
            yield
            return
        over = threading.Event()
        # What a signal's handler in C writes at once, also while the main thread runs no Python.
        heard_end, told_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        main = threading.get_ident()
        relayed = signal.SIGRTMIN

        def wait() -> None:
            while not over.is_set():
                caught = signal.sigtimedwait(heard, _POLL_SECONDS)
                if signal.SIGINT in _read(heard_end):
                    self._end_if_deaf("Ctrl-C", over)
                # After SIGSTOP and SIGCONT, Python 3.11 returns a number that it never set.
                if caught is not None and caught.si_signo in heard:
                    waiting.append(caught.si_signo)
                    # Only the main thread runs Python's handlers, and its sleep must end.
                    signal.pthread_kill(main, relayed)
                    self._end_if_deaf(signal.Signals(caught.si_signo).name, over)

        def relay(number: int, frame: FrameType | None) -> None:
            while waiting:
                self._heard(waiting.pop(0), frame)

        waiting: list[int] = []
        handler = signal.signal(relayed, relay)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        told_before = signal.set_wakeup_fd(told_end, warn_on_full_buffer=False)
        thread = threading.Thread(target=wait, name="signals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            signal.set_wakeup_fd(told_before)
            os.close(heard_end)
            os.close(told_end)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.signal(relayed, handler)

    def request(self, by: str = "request") -> None:
        """Ask to stop, as a signal would."""
        self.requested = True
        self.signal = by
        if by == "SIGHUP":
            _forget_terminal()
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
        except Exception as error:
            # Whoever was interrupted may have taken that for an error of its own.
            if self.requested and not isinstance(error, Interrupted):
                raise Interrupted(f"interrupted ({self.signal})") from error
            raise
        finally:
            self._at_once -= 1

    @contextmanager
    def at_any_cost(self) -> Iterator[None]:
        """Let a request during the block end the process itself where nothing else ends the block.

        For long work of which nothing is lost: compiled code hears no signal, and libraries catch
        what they should not. Inside :meth:`listening` the process exits after PATIENCE seconds.
        """
        with self.at_once():
            self._costless += 1
            try:
                yield
            finally:
                self._costless -= 1

    def _end_if_deaf(self, name: str, over: threading.Event) -> None:
        """End the process where the block that a signal met does not end; another thread calls."""
        limit = time.monotonic() + PATIENCE
        while self._costless and time.monotonic() < limit:
            if over.wait(_POLL_SECONDS):
                return
        if not self._costless:
            return
        sys.stderr.write(
            f"interrupted ({name}): what was at work did not stop within {PATIENCE:g} seconds and "
            "was ended; the same command goes on from what is saved\n"
        )
        sys.stderr.flush()
        os._exit(Interrupted.exit_code)

    def _heard(self, number: int, frame: FrameType | None) -> Any:
        if self.requested and number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt
        if not self.requested:
            self.request("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)


def _heard_here() -> tuple[signal.Signals, ...]:
    """Return what this process listens to: not to what it was started to ignore, as by nohup."""
    return tuple(each for each in _FOR_ALL if signal.getsignal(each) is not signal.SIG_IGN)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 64)
    except BlockingIOError:
        return b""


def _forget_terminal() -> None:
    """Write no more where a terminal was that is gone: it would fail with every line."""
    null = Path(os.devnull).stat().st_rdev
    for descriptor in (1, 2):
        about = os.fstat(descriptor)
        if stat.S_ISCHR(about.st_mode) and about.st_rdev != null and not os.isatty(descriptor):
            opened = os.open(os.devnull, os.O_WRONLY)
            os.dup2(opened, descriptor)
            os.close(opened)
