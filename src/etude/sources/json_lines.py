"""JSON Lines read by position: a file is scanned once, a row is decoded when it is asked for."""

from __future__ import annotations

import gzip
import json
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etude.errors import DataError


class JsonLines:
    """The rows of one or more JSON Lines files (``.gz`` too), in file order.

    A plain file stays on disk (memory-mapped), a compressed one is held as bytes; beyond that a
    row costs the eight bytes of its offset. Lines end at ``\\n`` alone, as strings may hold other
    line separators. A file whose text begins with ``[`` is one JSON list of rows.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._parts = [_Part(path) for path in paths]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        names: dict[str, None] = {}
        for part in self._parts:
            names.update(part.names)
        self.column_names = list(names)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, position: int) -> dict[str, Any]:
        if not 0 <= position < len(self):
            raise IndexError(position)
        part = int(np.searchsorted(self._starts, position, side="right")) - 1
        return self._parts[part].row(position - int(self._starts[part]))

    def column(self, name: str) -> list[Any]:
        """Return one column of every row, None where a row lacks it."""
        return [self[position].get(name) for position in range(len(self))]


class _Part:
    """One file: its bytes and where each row begins."""

    def __init__(self, path: Path) -> None:
        self._content = _read(path)
        self.names: dict[str, None] = {}
        self._list: list[dict[str, Any]] | None = None
        offsets: list[int] = []
        if self._content[:1] == b"[":
            self._list = self._whole_list(path)
        else:
            for number, start, line in self._lines():
                self._check(_decode(line, f"{path}:{number}"), f"{path}:{number}")
                offsets.append(start)
        self._offsets = np.array(offsets, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._offsets) if self._list is None else len(self._list)

    def row(self, position: int) -> dict[str, Any]:
        if self._list is not None:
            return self._list[position]
        start = int(self._offsets[position])
        end = self._content.find(b"\n", start)
        row: dict[str, Any] = json.loads(self._content[start : end if end >= 0 else None])
        return row

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (line number from 1, offset, bytes) of each line that is not blank."""
        start, number, size = 0, 1, len(self._content)
        while start < size:
            end = self._content.find(b"\n", start)
            end = size if end < 0 else end
            line = self._content[start:end]
            if line.strip():
                yield number, start, line
            start, number = end + 1, number + 1

    def _whole_list(self, path: Path) -> list[dict[str, Any]]:
        rows = _decode(self._content[:], str(path))
        for number, row in enumerate(rows, start=1):
            self._check(row, f"{path}, entry {number}")
        return list(rows)

    def _check(self, row: Any, where: str) -> None:
        if not isinstance(row, dict):
            raise DataError(
                f"{where}: a row must be a JSON object with named columns, not {type(row).__name__}"
            )
        for name in row:
            self.names.setdefault(name)


def _read(path: Path) -> bytes | mmap.mmap:
    """Return a file's bytes, memory-mapped unless they are compressed."""
    try:
        if path.name.endswith(".gz"):
            with gzip.open(path) as compressed:
                return compressed.read()
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _decode(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: the text is not UTF-8 ({error.reason})") from error
    except json.JSONDecodeError as error:
        shown = text[:60].decode("utf-8", "replace")
        raise DataError(
            f"{where}: not valid JSON ({error.msg}, column {error.colno}): {shown}…"
        ) from error
