"""Checkpoints of a stage: written whole or not at all, checked before they are used."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.distributed.together import by_all, by_main
from etude.distributed.world import current
from etude.errors import CheckpointError, StorageError
from etude.execute import atomic, tree
from etude.plan import layout, records
from etude.plan.digest import sha256_of


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files were just read and match their hashes."""

    step: int
    attempt: int
    path: Path

    def load(self) -> Any:
        """Return its state tree, which any number of ranks wrote. Raises CheckpointError.

        Where several ranks load it, each reads its rows of what was written in parts.
        """
        return tree.load(self.path, whole=current().is_alone)


def write(
    attempt: Path,
    step: int,
    state: Any,
    *,
    minimum_free_gib: float = 0.0,
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Write the state after ``step`` finished steps; return the checkpoint's folder.

    It is built under another name and renamed, its manifest last, so that a kill leaves the older
    ones as they were. ``check`` is called before it is begun and before it gets its name, which may
    be much later, and may raise. Raises StorageError on a full disk, and before beginning when
    fewer than ``minimum_free_gib`` GiB are free; nothing is left behind then.

    All ranks of a stage write together, each its own parts, and all raise what one of them raises.
    """
    place = attempt / "checkpoints" / f"step_{step}"

    def begin() -> Path:
        check()
        free = atomic.free_bytes(place)
        if free < minimum_free_gib * 2**30:
            raise StorageError(
                f"no checkpoint was begun after step {step}: {free / 2**30:.2f} GiB are free where "
                f"{place} would lie, and execution.minimum_free_gib is {minimum_free_gib:g}. To go "
                "on: free some space (etude clean shows what could go) and run the same command "
                "again."
            )
        beside = atomic.beside(place)
        with atomic.storing(place):
            beside.mkdir(parents=True)
        return beside

    def save() -> dict[str, dict[str, Any]]:
        with atomic.storing(place):
            return tree.save(state, beside, current().rank)

    def finish() -> None:
        with atomic.storing(place):
            atomic.write_json(beside / layout.MANIFEST, {"step": step, "files": files})
            check()
            if place.exists():
                atomic.discard(place)
            beside.rename(place)
            atomic.sync_folder(place.parent)

    beside = by_main(begin)
    try:
        files = {name: entry for own in by_all(save) for name, entry in own.items()}
        by_main(finish)
    finally:
        if current().is_main:
            shutil.rmtree(beside, ignore_errors=True)
    return place


def verify(path: Path) -> None:
    """Read every file of a checkpoint; raise CheckpointError naming one that is not intact."""
    why: list[str] = []
    manifest = layout.read_json(path / layout.MANIFEST, records.MANIFEST, why.append)
    if manifest is None:
        raise CheckpointError(why[0] if why else f"{path} has no {layout.MANIFEST}")
    for name, entry in manifest["files"].items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{file} is missing")
        size = file.stat().st_size
        if size != entry["size"]:
            raise CheckpointError(f"{file} has {size} bytes, not {entry['size']}: it is truncated")
        try:
            found = sha256_of(file)
        except OSError as error:
            raise CheckpointError(f"{file} cannot be read: {error.strerror or error}") from error
        if found != entry["sha256"]:
            raise CheckpointError(f"{file} does not match its recorded hash: it is corrupt")


def newest_valid(
    folder: Path,
    report: Callable[[str], None],
    *,
    at_most: int | None = None,
    step: int | None = None,
) -> Checkpoint | None:
    """Return the newest intact checkpoint of any attempt of a stage, or None.

    Each one that is not intact is reported, by name, and the one before it is tried. ``at_most``
    passes over later steps, ``step`` over all others.
    """
    for ref in layout.checkpoints(folder):
        if (at_most is not None and ref.step > at_most) or (step is not None and ref.step != step):
            continue
        try:
            verify(ref.path)
        except CheckpointError as error:
            report(f"the checkpoint after step {ref.step} is not used: {error}")
            continue
        return Checkpoint(ref.step, ref.attempt, ref.path)
    return None


def prune(
    folder: Path,
    *,
    keep: int,
    up_to: int,
    also: Collection[int] = (),
    check: Callable[[], None] = lambda: None,
) -> None:
    """Delete all but the newest ``keep`` checkpoints of a stage and those after the steps ``also``.

    Checkpoints past ``up_to`` belong to an attempt that went on from an earlier one because they
    were not intact; they are left until they are overtaken. ``check`` is called once it is known
    what goes: when it does not raise, nothing of it is a later attempt's.
    """
    reached = [ref for ref in layout.checkpoints(folder) if ref.step <= up_to]
    steps = sorted({ref.step for ref in reached}, reverse=True)[: max(1, keep)]
    kept: set[int] = set()
    doomed = []
    for ref in reached:
        if ref.step in kept or not (ref.step in steps or ref.step in also):
            doomed.append(ref.path)
        kept.add(ref.step)
    check()
    for path in doomed:
        atomic.discard(path)


def sweep(folder: Path, check: Callable[[], None] = lambda: None) -> None:
    """Remove what a kill left of unfinished writes in a stage's folder; its lease must be held.

    ``check`` is called once it is known what goes: when it does not raise, nothing of it is a later
    attempt's, whose unfinished writes have names that no earlier one had.
    """
    places = [folder, *layout.attempts(folder)]
    places += [attempt / "checkpoints" for attempt in layout.attempts(folder)]
    patterns = (".*.tmp", ".discarded-*", ".export-*")
    doomed = [path for place in places for pattern in patterns for path in place.glob(pattern)]
    check()
    for path in doomed:
        if path.is_dir():
            # A process that was fenced off removes its own at the same time.
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
