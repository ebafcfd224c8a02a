"""JSON Lines read by position: a file is scanned once, a row is decoded when it is asked for."""

from __future__ import annotations

import codecs
import gzip
import json
import mmap
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etude.errors import DataError

#: How compressed content begins.
_GZIP = b"\x1f\x8b"


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

    def where(self, position: int) -> str:
        """Return the file and line of a row (in a file of one list: the entry)."""
        part = int(np.searchsorted(self._starts, position, side="right")) - 1
        return self._parts[part].where(position - int(self._starts[part]))


class _Part:
    """One file: its bytes and where each row begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = _read(path)
        self.names: dict[str, None] = {}
        self._list: list[dict[str, Any]] | None = None
        offsets: list[int] = []
        if self._content[:64].removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"[":
            self._list = self._whole_list(path)
        else:
            for number, start, line in self._lines():
                row = row_of(decode(line, f"{path}:{number}"), f"{path}:{number}")
                self.names.update(dict.fromkeys(row))
                offsets.append(start)
        self._offsets = np.array(offsets, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._offsets) if self._list is None else len(self._list)

    def row(self, position: int) -> dict[str, Any]:
        if self._list is not None:
            return self._list[position]
        start = int(self._offsets[position])
        end = self._content.find(b"\n", start)
        text = self._content[start : end if end >= 0 else None]
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            # It was an object when the file was opened.
            raise DataError(
                f"{self._path}, row {position + 1}: the file was changed while it was read: "
                f"{_beginning(text)}"
            )
        return row

    def where(self, position: int) -> str:
        if self._list is not None:
            return f"{self._path}, entry {position + 1}"
        return f"{self._path}:{1 + self._content[: int(self._offsets[position])].count(10)}"

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
        rows = decode(self._content[:], str(path))
        if not isinstance(rows, list):
            raise DataError(f"{path}: a JSON file is a list of rows, or has one row a line")
        for number, row in enumerate(rows, start=1):
            self.names.update(dict.fromkeys(row_of(row, f"{path}, entry {number}")))
        return list(rows)


def row_of(row: Any, where: str) -> dict[str, Any]:
    """Return a decoded row; raises DataError where it is no object with named columns."""
    if not isinstance(row, dict):
        raise DataError(
            f"{where}: a row must be a JSON object with named columns, not {type(row).__name__}"
        )
    return row


def _read(path: Path) -> bytes | mmap.mmap:
    """Return a file's bytes, memory-mapped unless they are compressed."""
    try:
        if path.name.endswith(".gz"):
            with gzip.open(path) as compressed:
                return compressed.read()
        with path.open("rb") as file:
            if file.read(2) == _GZIP:
                raise DataError(f"{path} is compressed: its name must end in .gz")
            if path.stat().st_size == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def decode(text: bytes, where: str) -> Any:
    """Return the value of a JSON text; raises DataError naming where it stands."""
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: the text is not UTF-8 ({error.reason})") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}: not valid JSON ({error.msg}, column {error.colno}): {_beginning(text)}"
        ) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise DataError(f"{where}: not valid JSON ({error}): {_beginning(text)}") from error
    except RecursionError as error:
        raise DataError(f"{where}: lists or mappings too deep inside each other") from error


def _beginning(text: bytes) -> str:
    return text[:60].decode("utf-8", "replace") + ("…" if len(text) > 60 else "")
