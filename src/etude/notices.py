"""What a person should know and only a deep layer finds, on its way to the observers of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[str], None]] = []


def notice(message: str) -> None:
    """Tell whoever listens; where nobody does (a library's use) nothing happens."""
    if _listeners:
        _listeners[-1](message)


@contextmanager
def noticed_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Hand every notice of the block to ``listener``, the same words once."""
    said: set[str] = set()

    def once(message: str) -> None:
        if message not in said:
            said.add(message)
            listener(message)

    _listeners.append(once)
    try:
        yield
    finally:
        _listeners.remove(once)
