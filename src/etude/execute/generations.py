"""The files behind a lease: one for each generation, made by exactly one process."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.execute.owner import Owner
from etude.plan import layout


@dataclass(frozen=True)
class Claim:
    """A generation as its file shows it; ``touched`` is its time of change, in nanoseconds."""

    generation: int
    owner: Owner
    released: bool
    touched: int


def folder_of(outputs: Path, fingerprint: str) -> Path:
    """Return where a node's leases lie: outside its own folder, which may be moved aside."""
    return outputs / layout.LOCKS / fingerprint


def file_of(folder: Path, generation: int) -> Path:
    """Return the file of a generation."""
    return folder / f"{generation}.json"


def numbers(folder: Path) -> list[int]:
    """Return the generations that are there, in no order."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  (names are all that is needed)
    except FileNotFoundError:
        return []
    return [int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdecimal()]


def current(folder: Path) -> Claim | None:
    """Return the highest generation; None when there is none."""
    while there := numbers(folder):
        found = read(file_of(folder, max(there)))
        if found is not None:
            return found
    return None


def read(path: Path) -> Claim | None:
    """Return a generation from its file; None when the file is gone."""
    content: dict[str, Any] | None = None
    try:
        with path.open("rb") as stream:
            touched = os.fstat(stream.fileno()).st_mtime_ns
            written = json.loads(stream.read())
            content = written if isinstance(written, dict) else None
    except FileNotFoundError:
        if not path.is_symlink():
            return None
        touched = path.lstat().st_mtime_ns
    except OSError:
        touched = path.lstat().st_mtime_ns  # a folder, or out of reach: held by who knows whom
    except (ValueError, RecursionError):
        pass  # not written yet, where a file system has no hard links; it counts as held
    released = touched == 0 or bool(content and content.get("released"))
    return Claim(int(path.stem), Owner.of_json(content), released, touched)


def claim(folder: Path, generation: int, owner: Owner) -> bool:
    """Create a generation's file; tell whether this process, and no other, did."""
    beside = write(folder, generation, owner)
    try:
        created = _create(beside, file_of(folder, generation))
    finally:
        beside.unlink(missing_ok=True)
    if created and max(numbers(folder), default=0) != generation:
        # Others went on while this process looked away, and cleared the number it has just taken.
        file_of(folder, generation).unlink(missing_ok=True)
        return False
    return created


def _create(beside: Path, place: Path) -> bool:
    try:
        os.link(beside, place)
    except FileExistsError:
        # A server may have linked it and lost its answer: the second link tells. Where there is
        # no file any more, the owner of this or a later generation has tidied.
        with suppress(FileNotFoundError):
            return beside.samefile(place)
        return False
    except FileNotFoundError:
        return False
    except OSError:
        return _create_without_links(beside, place)
    return True


def _create_without_links(beside: Path, place: Path) -> bool:
    try:
        with place.open("xb") as stream:
            stream.write(beside.read_bytes())
    except FileExistsError:
        return False
    return True


def write(folder: Path, generation: int, owner: Owner, *, released: bool = False) -> Path:
    """Write a generation's content beside its place; return that file."""
    beside = folder / f".{generation}.{secrets.token_hex(6)}.tmp"
    content = {**owner.to_json(), "released": released}
    try:
        with beside.open("xb") as stream:
            stream.write(json.dumps(content).encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return beside


def tidy(folder: Path, generation: int) -> None:
    """Remove what nobody needs once ``generation`` is owned: all before the one it follows."""
    with suppress(OSError):
        for path in folder.iterdir():
            # Unfinished files of later generations may be about to take their names.
            last = generation if path.name.startswith(".") else generation - 2
            number = path.name.lstrip(".").partition(".")[0]
            if number == "look" or (number.isdecimal() and int(number) <= last):
                path.unlink(missing_ok=True)


def see_afresh(folder: Path) -> None:
    """Make the next listing show what other machines created: network clients cache listings."""
    probe = folder / f".look.{secrets.token_hex(6)}.tmp"
    # Changing the folder makes a client ask its server again; where that fails, a listing that may
    # be a minute old is what there is.
    with suppress(OSError):
        probe.touch()
        probe.unlink()
