"""Append-only JSON lines that survive a kill: every line is flushed, a torn last one is dropped."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etude.execute.atomic import storing
from etude.plan.records import Report, parsed, unsaid
from etude.printable import in_json


def to_line(content: Mapping[str, Any]) -> bytes:
    """Return one line of strict JSON; numbers that JSON cannot hold (nan, inf) become null.

    Control characters are written as JSON escapes, those of C1 too: a person may print the file.
    """
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        text = json.dumps(_finite(content), ensure_ascii=False, allow_nan=False, default=_plain)
    return in_json(text).encode("utf-8") + b"\n"


def _plain(value: Any) -> Any:
    """Return the Python number in a scalar tensor or array; anything else as text."""
    return _finite(value.item()) if hasattr(value, "item") else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


class LineWriter:
    """Appends lines to a file; opening it drops what a crash left of an unfinished last line.

    Raises StorageError when a line cannot be written; the file then ends with the line before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with storing(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._size = _whole_lines(self._descriptor)
            os.ftruncate(self._descriptor, self._size)

    def write(self, *contents: Mapping[str, Any]) -> None:
        """Append lines, in one write: after a crash all of them or none are whole."""
        data = b"".join(to_line(content) for content in contents)
        self.write_raw(data)

    def write_raw(self, data: bytes) -> None:
        """Append lines that are already encoded."""
        with storing(self.path):
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                os.ftruncate(self._descriptor, self._size)
                raise
        self._size += len(data)

    def sync(self) -> None:
        """Make the lines so far survive a power failure."""
        with storing(self.path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; more than once does no harm. Raises StorageError."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with storing(self.path):  # NFS may tell here first that it has no room
                os.close(descriptor)


def _whole_lines(descriptor: int) -> int:
    """Return the size of a file up to the end of its last whole line."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        cut = os.pread(descriptor, end - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0


def raw_lines(
    path: Path, shape: Any = dict, report: Report = unsaid
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield (content, bytes) of every whole line of a file; nothing where there is no file.

    A torn last line is passed over, as :class:`LineWriter` would drop it. A damaged one, or one of
    another shape (see :mod:`etude.plan.records`), stays where it is: ``report`` is told which.
    """
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        report(f"{path} cannot be read: {error.strerror or error}")
        return
    with stream:
        for number, raw in enumerate(stream, 1):
            if not raw.endswith(b"\n"):
                continue
            content, why = parsed(raw, shape)
            if content is None:
                report(f"line {number} of {path} is damaged and left out: {why}")
            else:
                yield content, raw
