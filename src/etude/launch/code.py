"""The code that jobs run: a copy made when they are submitted, kept once for each state of it.

It holds etude, the packages of plug-ins and their entry points. A run's folder links to every copy
that its jobs were given.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import Distribution, entry_points
from pathlib import Path

import etude
from etude.config.plugins import ENTRY_POINT_GROUP, package_folder
from etude.execute import atomic
from etude.execute.environment import COMMIT, git_commit
from etude.execute.secrets import holds_secret
from etude.plan import layout

#: A plug-in whose package holds more is not copied, and that is said.
MOST_BYTES = 64 << 20
MOST_FILES = 10_000

#: For the Python of a job: leave out the current folder, which would come before the copy.
SAFE_PATH = "-P"

#: The files of a copy: each with its name in there, its bytes and whether it can be executed.
_Files = dict[str, tuple[bytes, bool]]
_Say = Callable[[str], None]


def snapshot(outputs: Path, run: Path, say: _Say) -> Path:
    """Return a folder for PYTHONPATH with etude and all plug-ins as they are now.

    It is copied unless it is there, and ``run``, a run's folder, links to it. What is edited while
    a job waits changes nothing in it. A process that runs from such a copy hands on that one.
    ``say`` is told what is not copied, and what is new for a run that is taken up again. Raises
    StorageError.
    """
    own = Path(etude.__file__).resolve().parent.parent
    if own.parent == (outputs / layout.CODE).resolve():
        _link(run, outputs / layout.CODE / own.name)
        return outputs / layout.CODE / own.name
    files = _etude(outputs) | _plugins(outputs, say)
    place = outputs / layout.CODE / _digest(files)
    _tell_changes(run, place, files, say)
    # Linked first: whoever cleans up meanwhile sees that it is in use.
    _link(run, place)
    if place.is_dir():
        with suppress(OSError):  # another person's; the link is there
            os.utime(place)
    else:
        _write(files, place)
    return place


def copies_of(run: Path) -> list[Path]:
    """Return the links of a run to the copies that its jobs were given, oldest first."""
    links = [path for path in (run / layout.CODE_LINKS).glob("*") if path.is_symlink()]
    return sorted(links, key=lambda path: (path.lstat().st_mtime_ns, path.name))


def _etude(outputs: Path) -> _Files:
    package = Path(etude.__file__).parent
    return {f"etude/{name}": _content(path) for name, path in _walk(package, leave_out=outputs)}


def _plugins(outputs: Path, say: _Say) -> _Files:
    """Return the packages of all plug-ins, with the metadata by which a job finds them again."""
    found: _Files = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        folder = package_folder(point.module)
        if folder is None or point.module.partition(".")[0] == "etude":
            continue
        root, package = _root(folder, point.module)
        files = _package(root, package, outputs, say)
        if isinstance(files, str):
            say(
                f"the plug-in {point.name} is not copied: {files}. Jobs import it from there as it "
                "is when they start"
            )
            continue
        found |= files
        if point.dist is not None and point.dist.name:
            found |= _metadata(point.dist)
    return found


def _root(folder: Path, package: str) -> tuple[Path, str]:
    """Return the top-level package of a package; below a namespace, the first that is no such."""
    parts = package.split(".")
    while len(parts) > 1 and (folder.parent / "__init__.py").is_file():
        if [folder.parent.name, folder.name] != parts[-2:]:
            break
        folder = folder.parent
        parts.pop()
    return folder, ".".join(parts)


def _package(root: Path, package: str, outputs: Path, say: _Say) -> _Files | str:
    """Return the files of a package, or why they cannot be copied."""
    files: _Files = {}
    secret: list[str] = []
    size = 0
    try:
        for name, path in _walk(root, leave_out=outputs):
            if holds_secret(name):
                secret.append(name)
                continue
            size += path.stat().st_size
            if size > MOST_BYTES or len(files) >= MOST_FILES:
                limit = f"{MOST_BYTES >> 20} MiB or {MOST_FILES:,} files"
                return f"{root} holds more than {limit}; keep data outside of the package"
            files[f"{package.replace('.', '/')}/{name}"] = _content(path)
    except OSError as error:
        return f"{error.filename or root} cannot be read ({error.strerror})"
    if secret:
        listed = ", ".join(secret)
        say(f"not copied from {root}, for their names say that they hold secrets: {listed}")
    return files or f"{root} is no folder with files"


def _metadata(dist: Distribution) -> _Files:
    """Return what importlib.metadata reads of a plug-in: its name, version and entry points."""
    name, version = dist.name, dist.version
    about = dist.read_text("METADATA") or dist.read_text("PKG-INFO")
    texts = {
        "METADATA": about or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "entry_points.txt": dist.read_text("entry_points.txt") or "",
    }
    folder = f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    return {f"{folder}/{file}": (text.encode(), False) for file, text in texts.items()}


def _walk(root: Path, leave_out: Path) -> Iterator[tuple[str, Path]]:
    """Yield (name, path) of the files below a folder; what is hidden or compiled is left out."""
    own = leave_out.resolve()
    for folder, folders, names in os.walk(root, followlinks=True):
        place = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if name != "__pycache__"
            and not name.startswith(".")
            and (place / name).resolve() != own  # a package may be a project's folder
        )
        for name in sorted(names):
            path = place / name
            if not name.startswith(".") and path.suffix != ".pyc" and path.is_file():
                yield path.relative_to(root).as_posix(), path


def _content(path: Path) -> tuple[bytes, bool]:
    return path.read_bytes(), os.access(path, os.X_OK)


def _digest(files: _Files) -> str:
    digest = hashlib.sha256()
    for name, (content, _) in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _link(run: Path, place: Path) -> None:
    link = run / layout.CODE_LINKS / place.name
    with atomic.storing(link):
        link.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(os.path.relpath(place, link.parent))


def _write(files: _Files, place: Path) -> None:
    """Write a copy beside its place, flush it and rename it. Raises StorageError."""
    beside = atomic.beside(place)
    with atomic.storing(place):
        try:
            for name, (content, executable) in files.items():
                path = beside / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                if executable:
                    path.chmod(0o755)
            (beside / "etude" / COMMIT).write_text(git_commit() or "")
            atomic.sync_tree(beside)
            try:
                beside.rename(place)
            except OSError:
                # Another submission may have been faster with the same content.
                if not place.is_dir():
                    raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _tell_changes(run: Path, place: Path, files: _Files, say: _Say) -> None:
    """Say what is new in the code of a run that was submitted under another one."""
    before = copies_of(run)
    if not before or place.name in (link.name for link in before):
        return
    changed = ", ".join(_changed(before[-1], files))
    say(
        f"the code has changed since {run.name} was submitted{f' ({changed})' if changed else ''}; "
        "new jobs run it as it is now, under the fingerprints of then. For fingerprints of its "
        "own, run the command again"
    )


def _changed(copy: Path, files: Mapping[str, tuple[bytes, bool]]) -> list[str]:
    """Return the first names that differ between a copy and files, and how many more do."""
    if not copy.is_dir():
        return []
    there = dict(_walk(copy, leave_out=copy))
    names = sorted(
        name
        for name in {*there, *files}
        if name not in there or name not in files or there[name].read_bytes() != files[name][0]
    )
    return [*names[:3], *([f"{len(names) - 3} more"] if len(names) > 3 else [])]
