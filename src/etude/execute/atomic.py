"""Writes that are there whole or not at all: beside their place, flushed, then renamed."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from etude.errors import StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def storage_error(error: OSError, path: Path) -> StorageError:
    """Return the error a person should see for a failed write: what, where, what to do."""
    what = f"cannot write {path}: {error.strerror or error}"
    if error.errno in _FULL:
        return StorageError(
            f"{what}; {free_bytes(path) / 2**30:.2f} GiB are free there. To go on: free some space "
            "(etude clean shows what could go) and run the same command again."
        )
    return StorageError(
        f"{what}. To go on: check that the folder can be written, or choose another: "
        "outputs=FOLDER."
    )


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


def beside(path: Path) -> Path:
    """Return a name for what will take the place of ``path``; no other process has the same."""
    # Processes of two machines or containers may have one number.
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def writing(path: Path, check: Callable[[], None] = lambda: None) -> Iterator[IO[bytes]]:
    """Open a file beside ``path`` for writing; it takes its place when the block ends well.

    ``check`` is called just before that and may raise. After an error nothing is left of it and an
    older file at ``path`` stands. Raises StorageError.
    """
    unfinished = beside(path)
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            check()
            unfinished.replace(path)
            sync_folder(path.parent)
        finally:
            unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str, check: Callable[[], None] = lambda: None) -> None:
    """Write a text file whole or not at all, as :func:`writing` does. Raises StorageError."""
    with writing(path, check) as stream:
        stream.write(text.encode("utf-8"))


def write_json(path: Path, content: Any, check: Callable[[], None] = lambda: None) -> None:
    """Write an indented JSON file whole or not at all, as :func:`writing` does."""
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
    write_text(path, text, check)


def publish_folder(finished: Path, place: Path, check: Callable[[], None] = lambda: None) -> None:
    """Rename a finished folder to its place, flushed first; an unfinished one there is replaced.

    ``check`` is called just before and may raise.
    """
    with storing(place):
        sync_tree(finished)
        in_the_way = place.exists()
        check()
        if in_the_way:
            discard(place)
        try:
            finished.rename(place)
        except OSError:
            check()  # what came there since then is another attempt's
            raise
        sync_folder(place.parent)


def discard(path: Path) -> None:
    """Remove a file or folder; a folder is renamed first, so no half of it is taken for it."""
    if path.is_dir() and not path.is_symlink():
        doomed = path.with_name(f".discarded-{secrets.token_hex(4)}-{path.name.lstrip('.')}")
        path.rename(doomed)
        shutil.rmtree(doomed)
    else:
        path.unlink(missing_ok=True)
