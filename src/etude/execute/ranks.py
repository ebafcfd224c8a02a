"""What the first rank of a stage decides and the others follow.

The first rank holds the lease, makes the attempt and writes every file; the others are told, and
write a log of their own and why they failed. What they tell each other before the first step, and
at its end, goes through one exchange, so that a request to stop reaches all at the same point.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from etude.distributed.together import portable
from etude.distributed.world import current
from etude.errors import Interrupted
from etude.execute.attempt import Log
from etude.execute.checkpoint import Checkpoint
from etude.execute.failures import lost_another
from etude.execute.stop import Stop
from etude.plan.nodes import StageNode

#: Seconds between signs of life of the first rank while it waits for a lease.
_BEAT_SECONDS = 10.0

_Kind = Literal["wait", "go", "failed"]


@dataclass(frozen=True)
class Begun:
    """An attempt that the first rank has opened, and the checkpoint it goes on from."""

    number: int
    folder: Path
    first_step: int
    resumed: Checkpoint | None


class Leading:
    """The first rank's side before the first step: it waits, then decides or fails."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._told = time.monotonic()
        self._decided = current().is_alone

    def check(self) -> None:
        """Raise Interrupted when any rank was asked to stop; called while a lease is waited for."""
        if not self._decided and time.monotonic() - self._told > _BEAT_SECONDS:
            self._told = time.monotonic()
            _exchange(self._stop, "wait", None)
        self._stop.check()

    def decide(self, value: Any) -> None:
        """Tell the others what :func:`followed` returns there."""
        if not self._decided:
            self._decided = True
            _exchange(self._stop, "go", value)

    def fail(self, error: Exception) -> None:
        """Have the others raise ``error`` too, where nothing was decided yet."""
        if not self._decided and not lost_another(error):
            self._decided = True
            _exchange(self._stop, "failed", portable(error))


@contextmanager
def leading(stop: Stop) -> Iterator[Leading]:
    """Lead the other ranks for the block; an error before the decision is raised by all."""
    lead = Leading(stop)
    try:
        yield lead
    except Exception as error:
        lead.fail(error)
        raise


def followed(stop: Stop) -> Any:
    """Return what the first rank decides, however long it waits; raise the error that it met."""
    while True:
        kind, value, _ = _exchange(stop, "wait", None)
        if kind == "failed":
            raise value
        if kind == "go":
            return value


def agree(stop: Stop) -> str:
    """Return which signal asked any rank to stop, on all of them; empty where none did.

    All ranks call it together. ``stop.requested`` would not do: a rank that hears a signal while it
    waits here for the others, who may hear theirs later, has to go on with them.
    """
    if current().is_alone:
        return stop.signal if stop.requested else ""
    return _exchange(stop, "go", None)[2]


def check(stop: Stop) -> None:
    """Raise Interrupted on every rank when any was asked to stop; all ranks call it together."""
    signal = agree(stop)
    if signal:
        raise Interrupted(f"interrupted ({signal})")


def _exchange(stop: Stop, kind: _Kind, value: Any) -> tuple[_Kind, Any, str]:
    """Return what the first rank says, and which signal had asked any rank to stop before."""
    heard = stop.signal if stop.requested else ""
    found = current().gather((kind, value, heard))
    signal = next((each[2] for each in found if each[2]), "")
    if signal and not stop.requested:
        stop.request(signal)
    return found[0][0], found[0][1], signal


class FollowedAttempt:
    """An attempt as the other ranks have it: they read its folder and write a log of their own."""

    def __init__(self, begun: Begun, node: StageNode) -> None:
        self.number = begun.number
        self.folder = begun.folder
        self.first_step = begun.first_step
        self.node = node
        self._log = Log(begun.folder / f"log.rank{current().rank}")

    def write(self, name: str, *lines: Mapping[str, Any]) -> None:
        """Leave the lines to the first rank, which has the same."""

    def log(self, message: str) -> None:
        """Write a line to this rank's log."""
        record = logging.LogRecord("etude", logging.INFO, "", 0, message, None, None)
        self._log.handle(record)

    def sync(self) -> None:
        """Leave the files to the first rank."""

    def close(self) -> None:
        """Close this rank's log."""
        self._log.end()


class FollowedLease:
    """The lease as the other ranks have it: the first one holds it, and tells when it is lost."""

    lost = False
    took_over = ""

    def check(self) -> None:
        """Leave it to the first rank."""
