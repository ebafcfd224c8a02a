"""What could be deleted under ``outputs``, with sizes; nothing goes without being asked twice."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etude.errors import StorageError
from etude.execute.lock import is_held
from etude.plan import layout
from etude.plan.quantities import counted, size


@dataclass(frozen=True)
class Item:
    """A file or folder that could go, its bytes on disk, and why."""

    path: Path
    size: int
    why: str


def find(outputs: Path, *, runs: Sequence[str] = (), unfinished: bool = False) -> list[Item]:
    """Return what could be deleted, largest first; what a process works on is never among it.

    By default: folders moved aside by ``fresh``, what crashes left behind, the older checkpoints of
    finished stages, and stages and evaluations that no run refers to. ``runs`` (parts of names)
    adds those runs and what only they refer to, ``unfinished`` every stage that is not finished.
    Raises StorageError when a name in ``runs`` fits no run.
    """
    doomed = _named(outputs, runs)
    kept = _referred(path for path in _folders(outputs / layout.RUNS) if path not in doomed)
    found = [_item(path, "a run that was named") for path in doomed]
    for kind in (layout.STAGES, layout.EVALUATIONS):
        parent = outputs / kind
        for path in sorted(parent.glob(f"{layout.REPLACED}*")):
            found.append(_item(path, "replaced by fresh=…"))
        for path in sorted(parent.glob(".discarded-*")):
            found.append(_item(path, "left behind by a crash"))
        for folder in _folders(parent):
            fingerprint = folder.name.rpartition("-")[2]
            if is_held(outputs, fingerprint):
                continue
            if fingerprint not in kept:
                found.append(_item(folder, "no run refers to it"))
            elif kind == layout.STAGES and layout.finished(folder) is None:
                found += [_item(folder, "unfinished")] if unfinished else _litter(folder)
            else:
                found += [*_litter(folder), *_older_checkpoints(folder)]
    return sorted(found, key=lambda item: (-item.size, str(item.path)))


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob("[!.]*") if path.is_dir()) if parent.is_dir() else []


def _named(outputs: Path, runs: Sequence[str]) -> list[Path]:
    folders = _folders(outputs / layout.RUNS)
    found: list[Path] = []
    for name in runs:
        fitting = [path for path in folders if name in path.name]
        if not fitting:
            known = ", ".join(path.name for path in folders[-5:]) or "none"
            raise StorageError(f"no run under {outputs / layout.RUNS} is called '{name}': {known}")
        found += [path for path in fitting if path not in found]
    return found


def _referred(runs: Iterable[Path]) -> set[str]:
    """Return the fingerprints of the stages and evaluations that runs link to."""
    return {
        link.readlink().name.rpartition("-")[2]
        for run in runs
        for kind in (layout.STAGES, layout.EVALUATIONS)
        for link in (run / kind).glob("*")
        if link.is_symlink()
    }


def _litter(folder: Path) -> list[Item]:
    places = [folder, *layout.attempts(folder)]
    places += [attempt / "checkpoints" for attempt in layout.attempts(folder)]
    return [
        _item(path, "left behind by a crash")
        for place in places
        for pattern in (".*.tmp", ".discarded-*", ".export-*")
        for path in sorted(place.glob(pattern))
    ]


def _older_checkpoints(folder: Path) -> list[Item]:
    """Return all but the last checkpoint, which more steps would go on from."""
    return [
        _item(ref.path, "an older checkpoint of a finished stage")
        for ref in layout.checkpoints(folder)[1:]
    ]


def _item(path: Path, why: str) -> Item:
    return Item(path, _bytes(path), why)


def _bytes(path: Path) -> int:
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(
        (Path(place) / name).lstat().st_size for place, _, names in os.walk(path) for name in names
    )


def report(items: Sequence[Item], outputs: Path) -> Iterator[str]:
    """Yield one line for each item and the total."""
    for item in items:
        yield f" {size(item.size):>9}  {item.path.relative_to(outputs)}  ({item.why})"
    total = sum(item.size for item in items)
    yield f"{counted(len(items), 'entry')}, {size(total)}" if items else "nothing to clean"


def delete(items: Sequence[Item]) -> None:
    """Delete the items. Raises StorageError where one cannot be deleted."""
    for item in items:
        try:
            if item.path.is_dir() and not item.path.is_symlink():
                shutil.rmtree(item.path)
            else:
                item.path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot delete {item.path}: {error.strerror}") from error


def main(arguments: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Show what could be deleted under outputs, with sizes; delete it with --apply."""
    parser = argparse.ArgumentParser("etude clean", description=main.__doc__)
    parser.add_argument("--apply", "-y", action="store_true", help="delete what is listed")
    parser.add_argument("--unfinished", action="store_true", help="unfinished stages too")
    parser.add_argument(
        "--runs",
        nargs="+",
        default=[],
        metavar="RUN",
        help="these runs too, and what only they use",
    )
    parser.add_argument("--outputs", type=Path, default=Path("outputs"), help="where runs lie")
    given = parser.parse_args(arguments)
    outputs = given.outputs.expanduser().absolute()
    items = find(outputs, runs=given.runs, unfinished=given.unfinished)
    for line in report(items, outputs):
        say(line)
    if given.apply:
        delete(items)
        say("deleted")
    elif items:
        say("Nothing was deleted; --apply deletes what is listed.")
    return 0
