"""Writes that are there whole or not at all: beside their place, flushed, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from etude.errors import StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def storage_error(error: OSError, path: Path) -> StorageError:
    """Return the error a person should see for a failed write: what, where, how much is free."""
    what = error.strerror or str(error)
    free = f"{free_bytes(path) / 2**30:.2f} GiB are free there"
    advice = "check that the folder can be written, or choose another: outputs=FOLDER"
    if error.errno in _FULL:
        advice = "free some space (etude clean shows what could go) and run the same command again"
    return StorageError(f"cannot write {path}: {what}; {free}. To go on: {advice}.")


def free_bytes(path: Path) -> int:
    """Return the bytes free on the disk that holds ``path``, which need not exist yet."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn any operating-system error of the block into a StorageError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make every file below a folder, and their names, survive a power failure."""
    for place, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(place) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(place))


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside ``path`` for writing; it takes its place when the block ends well.

    After an error nothing is left of it and an older file at ``path`` stands. Raises StorageError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(path)
            sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all. Raises StorageError."""
    with writing(path) as stream:
        stream.write(text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write an indented JSON file whole or not at all. Raises StorageError."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def publish_folder(beside: Path, place: Path) -> None:
    """Rename a finished folder to its place, flushed first; an unfinished one there is replaced."""
    with storing(place):
        sync_tree(beside)
        if place.exists():
            discard(place)
        beside.rename(place)
        sync_folder(place.parent)


def discard(path: Path) -> None:
    """Remove a file or folder; a folder is renamed first, so no half of it is taken for it."""
    if path.is_dir() and not path.is_symlink():
        doomed = path.with_name(f".discarded-{os.getpid()}-{path.name.lstrip('.')}")
        if doomed.exists():
            shutil.rmtree(doomed)
        path.rename(doomed)
        shutil.rmtree(doomed)
    else:
        path.unlink(missing_ok=True)
