"""The process an engine runs in: reads what is asked, answers, and dies with its parent.

It is started as a program of its own and speaks through two pipes: pickled tuples ``(what, …)`` go
in; ``("ready", about)``, ``("ended", answers)``, ``("alive",)``, ``("done", result)`` and
``("failed", how, message)`` come out. Whatever has the methods of :class:`Backend` can be served.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from etude.engines.asked import About, Answer, Ask, Held, How
from etude.verifier.worker import die_with

#: Seconds between two signs of life.
_PULSE = 0.5


@dataclass(frozen=True)
class Opening:
    """What a process is started with: the backend as ``module:class`` and what it is made of."""

    path: list[str]
    backend: str
    folder: str
    options: Mapping[str, Any]
    tokenizer: bytes


class Backend(Protocol):
    """An engine inside its process; made with a folder, options and a pickled tokenizer."""

    def about(self) -> About:
        """Return what it is."""

    def sample(self, asks: Sequence[Ask], how: How) -> Iterator[list[Answer]]:
        """Yield the rows that ended with each token step, an empty list for none."""

    def score(self, texts: Sequence[tuple[int, ...]]) -> list[list[float]]:
        """Return the log-probs of the tokens of texts from the second on, at temperature 1."""

    def load(self, folder: str) -> Held:
        """Take over the whole checkpoint in a folder."""

    def forget(self) -> None:
        """Forget cached keys and values."""


def made(opening: Opening) -> Backend:
    """Return the backend that an opening names."""
    module, _, name = opening.backend.partition(":")
    make = getattr(importlib.import_module(module), name)
    backend: Backend = make(opening.folder, opening.options, opening.tokenizer)
    return backend


class Refused(Exception):
    """What a backend will not do, however often it is asked."""


def kind_of(error: BaseException) -> str:
    """Return whether an error is one of memory, of what was asked, or another (``failed``)."""
    if isinstance(error, Refused):
        return "refused"
    text = f"{type(error).__name__} {error}".lower()
    memory = isinstance(error, MemoryError) or "outofmemory" in text or "out of memory" in text
    return "memory" if memory else "failed"


def main(asks_fd: int, replies_fd: int, parent: int) -> None:
    """Serve the parent until it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(parent)
    source = Connection(asks_fd, writable=False)
    replies = Connection(replies_fd, readable=False)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, asked), daemon=True).start()
    try:
        opening: Opening = pickle.loads(asked.get())
        sys.path[:] = opening.path
        backend = made(opening)
        replies.send(("ready", backend.about()))
        while True:
            what, *rest = pickle.loads(asked.get())
            if what == "sample":
                _sample(backend, replies, *rest)
                replies.send(("done", None))
            else:
                replies.send(("done", getattr(backend, what)(*rest)))
    except BaseException as error:  # the edge: the parent says what becomes of it
        told = "".join(traceback.format_exception_only(error)).strip()
        replies.send(("failed", kind_of(error), told[:2000]))
        traceback.print_exc()
        raise


def _sample(backend: Backend, replies: Connection, asks: Sequence[Ask], how: How) -> None:
    told = time.monotonic()
    for ended in backend.sample(asks, how):
        if ended:
            replies.send(("ended", ended))
            told = time.monotonic()
        elif time.monotonic() - told > _PULSE:
            replies.send(("alive",))
            told = time.monotonic()


def _read(source: Connection, asked: queue.SimpleQueue[bytes]) -> None:
    """Hand on what the parent sends; when the pipe closes the parent is gone, and so are we."""
    while True:
        try:
            asked.put(source.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
