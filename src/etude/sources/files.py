"""Which local files hold the rows of a split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from etude.errors import DataError

#: Ending of a file name → the format it is read as.
FORMATS: dict[str, str] = {
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".json": "json",
    ".json.gz": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
}


def ending(path: Path) -> str | None:
    """Return the known ending of a file's name (``.jsonl.gz``), or None."""
    name = path.name.lower()
    return next((end for end in sorted(FORMATS, key=len, reverse=True) if name.endswith(end)), None)


def stem(path: Path) -> str:
    """Return a file's name without its known ending."""
    end = ending(path)
    return path.name[: -len(end)] if end else path.name


def data_files(path: Path) -> list[Path]:
    """Return every file of a known format at ``path`` (itself, or directly inside), sorted."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    return sorted(
        each
        for each in path.iterdir()
        if each.is_file() and ending(each) and not each.name.startswith(".")
    )


def split_files(path: Path, split: str, splits: Mapping[str, str], key: str) -> list[Path]:
    """Return the files that hold ``split``; raises DataError naming what there is instead.

    A single file holds every split. In a folder a split is the file ``<name>.<ending>``, the
    shards ``<name>-*.<ending>``, a folder of that name, or the folder's only data file, where
    ``<name>`` is what ``splits`` says of the split (a full file name serves too).
    """
    path = path.expanduser()
    if not path.exists():
        raise DataError(
            f"sources.{key}.path={path} does not exist (looked from {Path.cwd()});"
            f" give a JSON Lines, Parquet or CSV file, or a folder of them"
        )
    if path.is_file():
        return [path]
    wanted = splits.get(split, split)
    exact = path / wanted
    if exact.is_file():
        return [exact]
    if exact.is_dir() and data_files(exact):
        return data_files(exact)
    here = data_files(path)
    for matches in (
        [each for each in here if stem(each) == wanted],
        [each for each in here if stem(each).startswith(f"{wanted}-")],
        here if len(here) == 1 else [],
    ):
        if matches:
            return matches
    found = ", ".join(each.name for each in here) or "no data file"
    raise DataError(
        f"sources.{key}.path={path} has no file for the split '{split}' (looked for {wanted}.jsonl"
        f" and the like); it holds {found}: type sources.{key}.splits.{split}=FILE"
    )
