"""The first rows of large files and some from all over them, without reading the whole."""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etude.errors import DataError
from etude.sources.json_lines import decode, row_of

#: Files of at most so many bytes (a tenth, compressed) are read whole.
SMALL = 8 * 2**20

#: Rows from the beginning, rows from all over, and the bytes that are read for them.
FIRST, SPREAD, MOST_BYTES = 200, 100, 8 * 2**20


class Glimpse:
    """Some rows of files, with where each stands; a table like any other, but not all of it."""

    def __init__(self, rows: Sequence[tuple[Path, int | str, dict[str, Any]]]) -> None:
        self._rows = rows
        names: dict[str, None] = {}
        for _, _, row in rows:
            names.update(dict.fromkeys(row))
        self.column_names = list(names)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Mapping[str, Any]:
        return self._rows[position][2]

    def column(self, name: str) -> list[Any]:
        """Return one column of every row that was read."""
        return [row.get(name) for _, _, row in self._rows]

    def where(self, position: int) -> str:
        """Return the file and line of a row."""
        path, at, _ = self._rows[position]
        return f"{path}:{_line(path, at)}" if isinstance(at, int) else f"{path}, {at}"


def is_small(paths: Sequence[Path]) -> bool:
    """Tell whether files are small enough to be read whole before anything starts."""
    return sum(p.stat().st_size * (10 if p.suffix == ".gz" else 1) for p in paths) <= SMALL


def of_json(paths: Sequence[Path]) -> Glimpse | None:
    """Return some rows of JSON Lines files; None for one JSON list, which has no lines."""
    found: list[tuple[Path, int | str, dict[str, Any]]] = []
    for path in (paths[0], paths[-1]) if len(paths) > 1 else paths:
        try:
            lines = list(_zipped(path) if path.suffix == ".gz" else _plain(path))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        for at, line in lines:
            if line[:1] == b"[":
                return None
            where = f"{path}:{_line(path, at) if isinstance(at, int) else at}"
            found.append((path, at, row_of(decode(line, where), where)))
    return Glimpse(found)


def of_parquet(paths: Sequence[Path]) -> tuple[Glimpse, bool]:
    """Return some rows of Parquet files, and whether they are all there are."""
    import pyarrow
    from pyarrow import parquet

    found: list[tuple[Path, int | str, dict[str, Any]]] = []
    total = 0
    for path in paths:
        try:
            with parquet.ParquetFile(str(path)) as file:
                total += file.metadata.num_rows
                if len(found) >= FIRST:
                    continue
                for batch in file.iter_batches(batch_size=FIRST, use_threads=False):
                    rows = batch.to_pylist()
                    found += [(path, f"row {n + 1}", row) for n, row in enumerate(rows)]
                    break
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    return Glimpse(found), len(found) == total


def _plain(path: Path) -> Iterator[tuple[int | str, bytes]]:
    """Yield (offset, line) of the first lines and of some from all over a file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        size, start, read = len(content), 0, 0
        starts: list[int] = []
        while start < size and len(starts) < FIRST and read < MOST_BYTES:
            starts.append(start)
            end = content.find(b"\n", start)
            read, start = end - start + read, size if end < 0 else end + 1
        for number in range(SPREAD):
            begin = content.find(b"\n", max(start, size * number // SPREAD)) + 1
            if begin > start and begin < size:
                starts.append(begin)
        for begin in dict.fromkeys(starts):
            end = content.find(b"\n", begin)
            line = content[begin : size if end < 0 else end]
            if line.strip():
                yield begin, line


def _zipped(path: Path) -> Iterator[tuple[int | str, bytes]]:
    with gzip.open(path) as file:
        read = 0
        for number, line in enumerate(file, start=1):
            read += len(line)
            if line.strip():
                yield str(number), line
            if number >= FIRST or read > MOST_BYTES:
                return


def _line(path: Path, offset: int) -> int:
    """Return the number of the line that begins at an offset."""
    count = 1
    with path.open("rb") as file:
        while offset > 0 and (chunk := file.read(min(offset, 2**20))):
            count += chunk.count(b"\n")
            offset -= len(chunk)
    return count
