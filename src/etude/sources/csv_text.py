"""CSV files: every field is the text that stands there (007, 1.50, NA, true)."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etude.errors import DataError


class CsvTable:
    """The rows of CSV files with one header, in file order, held as Arrow text columns.

    An empty field is null; empty quotes (``""``) are an empty text. Raises DataError naming the
    file for fields that do not fit the header, text that is not UTF-8 and headers that differ.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        import pyarrow

        self._paths = list(paths)
        tables = [_read(path) for path in paths]
        for path, table in zip(paths, tables, strict=True):
            if table.column_names != tables[0].column_names:
                raise DataError(
                    f"{path} has the columns {', '.join(table.column_names)} and {paths[0]} has"
                    f" {', '.join(tables[0].column_names)}: the files of a split have one header"
                )
        self._ends = [table.num_rows for table in tables]
        self._table = pyarrow.concat_tables(tables).combine_chunks()
        self.column_names: list[str] = list(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, position: int) -> dict[str, Any]:
        if not 0 <= position < len(self):
            raise IndexError(position)
        return {name: self._table[name][position].as_py() for name in self.column_names}

    def column(self, name: str) -> list[Any]:
        """Return one column of every row."""
        return list(self._table[name].to_pylist())

    def where(self, position: int) -> str:
        """Return the file of a row and its number in it."""
        for path, count in zip(self._paths, self._ends, strict=True):
            if position < count:
                return f"{path}, row {position + 1}"
            position -= count
        raise IndexError(position)


def _read(path: Path) -> Any:
    import pyarrow
    from pyarrow import csv as arrow

    names = _header(path)
    convert = arrow.ConvertOptions(
        column_types={name: pyarrow.string() for name in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        return arrow.read_csv(
            str(path),
            # Threads of a library do not outlive the fork of a process; one is fast enough.
            read_options=arrow.ReadOptions(use_threads=False),
            parse_options=arrow.ParseOptions(newlines_in_values=True),
            convert_options=convert,
        )
    except (pyarrow.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error


def _header(path: Path) -> list[str]:
    """Return the names of the columns, each of which there is once."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    if not names:
        raise DataError(f"{path} is empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: its header names '{twice[0]}' twice")
    return names
