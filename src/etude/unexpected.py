"""What a person is told of an error that nobody foresaw: what happened, where, and what to do."""

from __future__ import annotations

import traceback
from pathlib import Path

from etude.errors import EtudeError


def cause_of(error: BaseException) -> str:
    """Return an error in words: the message of one of etude's own, else its kind and message."""
    text = str(error).strip()
    if isinstance(error, EtudeError) and text:
        return text
    kind = type(error).__name__
    if isinstance(error, SystemExit):
        return f"something called sys.exit({error.code!r}){_where(error)}"
    if isinstance(error, MemoryError):
        text = text or "this process could get no more memory"
    return f"{kind}: {text}" if text else f"{kind}{_where(error)}"


def sentence(error: BaseException) -> str:
    """Return the message that ends a command: the cause, its place and where to see more.

    Notes of the error (``add_note``) follow; whoever has a log names it there.
    """
    lines = [f"stopped by {cause_of(error)}"]
    place = _where(error)
    if place and place not in lines[0]:
        lines[0] += place
    lines += getattr(error, "__notes__", ())
    lines.append(
        "nothing foresaw this; ETUDE_TRACEBACK=1 before the same command shows how it came about"
    )
    return "\n".join(lines)


def _where(error: BaseException) -> str:
    """Return the line of code that raised an error: `` (mix.py:31, in open)``."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return f" ({Path(last.filename).name}:{last.lineno}, in {last.name})"
