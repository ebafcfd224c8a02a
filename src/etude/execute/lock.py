"""One process at a time works on a stage or an evaluation; the others wait, and say so."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from etude.execute.atomic import storing
from etude.plan import layout

_POLL_SECONDS = 0.2


def lock_file(outputs: Path, fingerprint: str) -> Path:
    """Return the lock of a node; it lies outside the node's folder, which may be moved aside."""
    return outputs / layout.LOCKS / f"{fingerprint}.lock"


@contextmanager
def locked(
    outputs: Path,
    fingerprint: str,
    *,
    waiting: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold the lock of a node for the block; the kernel lets go of it when the process dies.

    ``waiting`` is told once who holds it; ``check`` is called while waiting and may raise.
    """
    path = lock_file(outputs, fingerprint)
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        told = False
        while not _try(descriptor):
            if not told:
                waiting(holder(path))
                told = True
            check()
            time.sleep(_POLL_SECONDS)
        about = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, about.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(outputs: Path, fingerprint: str) -> bool:
    """Tell whether a process holds the lock of a node now."""
    path = lock_file(outputs, fingerprint)
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


def holder(path: Path) -> str:
    """Return who wrote a lock last: ``process 4711 on node n014``."""
    about = layout.read_json(path)
    if about is None:
        return "another process"
    return f"process {about['pid']} on {about['host']}"
