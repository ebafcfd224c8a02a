"""What libraries and Python warn of, said as etude says things, once, and in one line.

A warning that speaks to whoever calls a library (something is deprecated, or will change) is not
for whoever trains: it goes to the log of the stage, if one is open, and not to the screen.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from pathlib import Path
from typing import TextIO

import etude
from etude.printable import printable

#: Addressed to the authors of the calling code.
_FOR_AUTHORS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning)
_OWN = Path(etude.__file__).parent

_said: set[str] = set()


def show_warnings() -> None:
    """Have warnings and the loggers of libraries speak in lines of etude's from now on."""
    warnings.showwarning = _show
    root = logging.getLogger()
    if not any(isinstance(handler, _Screen) for handler in root.handlers):
        root.addHandler(_Screen(logging.WARNING))


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    place = f"{filename}:{lineno}: {category.__name__}"
    level = logging.INFO if issubclass(category, _FOR_AUTHORS) else logging.WARNING
    logging.getLogger("python").log(level, "%s (%s)", message, place, extra={"quiet": True})
    if level == logging.WARNING:
        _say(str(message), _package(filename))


def _package(filename: str) -> str:
    """Return the package that a file belongs to; empty for etude's own."""
    path = Path(filename)
    if path.is_relative_to(_OWN):
        return ""
    parts = path.parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    return path.name


def _say(message: str, who: str) -> None:
    text = " ".join(printable(message).split())
    line = f"warning: {text}" + (f" (said by {who})" if who else "")
    if line in _said:
        return
    _said.add(line)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(line, file=sys.stderr, flush=True)


class _Screen(logging.Handler):
    """Says what a logger warns of; the log of a stage hears it beside this."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say a record, unless it was said as a warning of Python."""
        if not getattr(record, "quiet", False):
            _say(record.getMessage(), record.name.partition(".")[0])
