"""What could be deleted under ``outputs``, with sizes; nothing goes without being asked twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etude.cli.frame import Parser
from etude.errors import StorageError
from etude.execute.atomic import discard
from etude.execute.lock import is_held
from etude.launch.code import copies_of
from etude.launch.seeing.cluster import Cluster
from etude.launch.seeing.needed import AtWork, References, at_work
from etude.plan import layout, typed
from etude.plan.quantities import counted, size

#: Seconds for which a copy of the code is left alone: it may be written or given to a run now.
_BEING_MADE = 600.0


@dataclass(frozen=True)
class Item:
    """A file or folder that could go, its bytes on disk, why, and when it last changed."""

    path: Path
    size: int
    why: str
    changed: int


def find(
    outputs: Path,
    *,
    runs: Sequence[str] = (),
    unfinished: bool = False,
    other_versions: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> list[Item]:
    """Return what could be deleted, largest first; what a process or a job needs is not among it.

    By default: folders moved aside by ``fresh``, what crashes left behind, the older checkpoints of
    finished stages, stages and evaluations that no run refers to, and copies of the code that no
    run was given. ``runs`` (parts of names) adds those runs and what only they use, ``unfinished``
    every stage that is not finished, ``other_versions`` what another version of etude wrote and no
    run refers to. ``say`` is told what cannot be known or is left alone. Raises StorageError when
    a name in ``runs`` fits no run, or one that is at work.
    """
    cluster = Cluster()
    doomed = _named(outputs, runs)
    folders = _folders(outputs / layout.RUNS)
    working = {path: who for path in folders if (who := at_work(path, outputs, cluster))}
    _refuse(doomed, working, outputs)
    kept = References()
    for path in folders:
        if path not in doomed:
            kept.add(path, working=path in working)
    for text in kept.unclear:
        say(f"{text}; what no run refers to is kept on its account")
    if not all(who.certain for who in working.values()):
        for note in cluster.notes:
            say(f"{note}; what jobs may need is kept")
    found = [_item(path, "a run that was named") for path in doomed]
    others: list[Path] = []
    for kind in (layout.STAGES, layout.EVALUATIONS):
        parent = outputs / kind
        for path in sorted(parent.glob(f"{layout.REPLACED}*")):
            found.append(_item(path, "replaced by fresh=…"))
        for folder in _folders(parent):
            fingerprint = folder.name.rpartition("-")[2]
            if is_held(outputs, fingerprint):
                continue
            if not other_versions and layout.version_of(folder) != layout.LAYOUT:
                others.append(folder)
                continue
            extended = kind == layout.STAGES and kept.extends(folder, fingerprint)
            if fingerprint not in kept.fingerprints:
                if not extended and not kept.unclear and not kept.mention(folder.name):
                    found.append(_item(folder, "no run refers to it"))
            elif kind == layout.STAGES and layout.finished(folder) is None:
                whole = unfinished and not extended and fingerprint not in kept.working
                found += [_item(folder, "unfinished")] if whole else _litter(folder)
            else:
                found += [*_litter(folder), *([] if extended else _older_checkpoints(folder))]
    for kind in (layout.STAGES, layout.EVALUATIONS, layout.RUNS, layout.CODE):
        for path in sorted((outputs / kind).glob(".discarded-*")):
            found.append(_item(path, "left behind by a crash"))
    if others:
        say(
            f"{counted(len(others), 'folder')} of another version of etude ({others[0].name}"
            f"{', …' if len(others) > 1 else ''}) stay as they are; --other-versions looks at them"
        )
    found += _old_code(outputs, [path for path in folders if path not in doomed])
    return sorted(found, key=lambda item: (-item.size, str(item.path)))


def _refuse(doomed: Iterable[Path], working: Mapping[Path, AtWork], outputs: Path) -> None:
    """Refuse to delete runs that are at work. Raises StorageError that names them all."""
    texts = []
    for path in doomed:
        if path in working:
            advice = f"end it first: {typed.about('cancel', path, outputs)}"
            if not working[path].certain:
                advice = "SLURM does not answer here; clean up where squeue does"
            texts.append(f"{path.name} {working[path].words}; {advice}")
    if texts:
        raise StorageError("\n".join([*texts, "nothing was deleted"]))


def _old_code(outputs: Path, runs: Iterable[Path]) -> list[Item]:
    """Return the copies of the code that no run was given, and what crashes left of others."""
    used = {link.name for run in runs for link in copies_of(run)}
    now = time.time()
    found = []
    for path in sorted((outputs / layout.CODE).glob("*")):
        beside = path.name.startswith(".")
        if path.name in used or path.name.startswith(".discarded-"):
            continue
        if now - path.lstat().st_mtime > _BEING_MADE:
            found.append(_item(path, "left behind by a crash" if beside else "code of no run"))
    return found


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
    return Item(path, _bytes(path), why, path.lstat().st_mtime_ns)


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


def delete(items: Sequence[Item]) -> list[Item]:
    """Delete the items; return those left alone, which were used since they were listed.

    Raises StorageError where one cannot be deleted.
    """
    left = []
    for item in items:
        try:
            if item.path.lstat().st_mtime_ns != item.changed:
                left.append(item)
                continue
            # Renamed first: a half of it would be taken for the whole by who comes meanwhile.
            discard(item.path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(f"cannot delete {item.path}: {error.strerror}") from error
    return left


def main(arguments: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Show what could be deleted under outputs, with sizes; delete it with --apply."""
    parser = Parser("etude clean", description=main.__doc__)
    parser.add_argument("--apply", "-y", action="store_true", help="delete what is listed")
    parser.add_argument("--unfinished", action="store_true", help="unfinished stages too")
    parser.add_argument(
        "--other-versions", action="store_true", help="what another version of etude wrote too"
    )
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
    items = find(
        outputs,
        runs=given.runs,
        unfinished=given.unfinished,
        other_versions=given.other_versions,
        say=say,
    )
    for line in report(items, outputs):
        say(line)
    if given.apply:
        for item in delete(items):
            say(f"left alone, it is in use by now: {item.path.relative_to(outputs)}")
        say("deleted")
    elif items:
        say("Nothing was deleted; --apply deletes what is listed.")
    return 0
