"""Hashes of files: data and models by content (remembered by path, size and time), code by import.

Nothing is imported to find or hash it, so planning stays light.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from etude.plan.scanned import Scans

_CHUNK = 1 << 20

#: A longer text (a chat template) is no path; the system would refuse it.
LONGEST_PATH = 1000

#: A file younger than this could change again without its time changing; it is not remembered.
_SETTLED_SECONDS = 2.0

#: Files of a folder whose hashes are told.
_LISTED = 6


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _is_entry(value: object) -> bool:
    """Tell whether a remembered value is size, time of change and hash."""
    return isinstance(value, list) and list(map(type, value)) == [int, int, str]


class FileHashes:
    """Content hashes, remembered in ``<outputs>/.hashes.json`` by path, size and time of change."""

    def __init__(self, outputs: Path | None = None) -> None:
        self._store = outputs / ".hashes.json" if outputs is not None else None
        self._known: dict[str, list[object]] = {}
        self._changed = False
        if self._store is not None and self._store.is_file():
            # A torn or foreign cache only costs hashing again.
            with contextlib.suppress(ValueError, RecursionError, OSError):
                content = json.loads(self._store.read_text(encoding="utf-8"))
                if isinstance(content, dict):
                    entries = content.items()
                    self._known = {key: each for key, each in entries if _is_entry(each)}

    def of(self, path: Path) -> str:
        """Return a file's SHA-256, from memory when path, size and time of change are the same."""
        real = path.resolve()
        stat = real.stat()
        key = str(real)
        known = self._known.get(key)
        if known is not None and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(known[2])
        digest = sha256_of(real)
        if time.time() - stat.st_mtime > _SETTLED_SECONDS:
            self._known[key] = [stat.st_size, stat.st_mtime_ns, digest]
            self._changed = True
        return digest

    def tree(self, path: Path) -> dict[str, str]:
        """Return name → hash for a file, or for every visible file below a folder."""
        if path.is_file():
            return {path.name: self.of(path)}
        found = {}
        for folder, folders, names in os.walk(path, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in names:
                file = Path(folder) / name
                if not name.startswith(".") and file.is_file():
                    found[file.relative_to(path).as_posix()] = self.of(file)
        return found

    def model(self, folder: Path) -> dict[str, str]:
        """Return name → hash of the files that make a model folder: weights, config, tokenizer."""
        return {
            name: digest for name, digest in self.tree(folder).items() if not name.endswith(".md")
        }

    def local(self, text: str) -> dict[str, str] | None:
        """Return the hashes of what a path or pattern names on this machine, or None if nothing."""
        if len(text) > LONGEST_PATH or "\n" in text:
            return None
        path = Path(text).expanduser()
        if path.exists():
            return self.tree(path)
        if not glob.has_magic(text):
            return None
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        matches = anchor.glob(str(path.relative_to(anchor)))
        files = sorted(match for match in matches if match.is_file())
        return {file.name: self.of(file) for file in files} or None

    def remembered(self, text: str) -> list[tuple[str, str]]:
        """Return (name, hash) of files at a path whose hash is known already; none is made.

        Those of a folder itself, the first few by name. A file that has changed since is left out.
        """
        path = Path(text).expanduser()
        files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
        found = []
        for file in files:
            known = self._known.get(str(file.resolve()))
            if known is not None and known[:2] == [file.stat().st_size, file.stat().st_mtime_ns]:
                found.append((file.name, str(known[2])))
        return found[:_LISTED]

    def has_seen(self, ending: str) -> bool:
        """Tell whether a file at a place that ends so was hashed here, whatever lies there now."""
        return any(key.endswith(ending) for key in self._known)

    def save(self) -> None:
        """Remember the hashes for the next process, where ``outputs`` exists and can be written."""
        if self._store is None or not self._changed or not self._store.parent.is_dir():
            return
        beside = self._store.with_name(f".hashes.{os.getpid()}.tmp")
        # The store only saves time: planning works on outputs that cannot be written.
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(self._known), encoding="utf-8")
            beside.replace(self._store)
            self._changed = False


@cache
def module_file(module: str) -> Path | None:
    """Return the file of a module without importing it or its package, or None if it has none."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for root in spec.submodule_search_locations or ():
        base = Path(root).joinpath(*rest)
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if file.is_file():
                return file
    return None


_SCANS = Scans()

#: Of etude, what can change no result: how commands are read, judged, planned, run, shown and told.
_NEVER_COUNTS = frozenset(
    {
        "build",
        "cli",
        "component",
        "config",
        "entries",
        "errors",
        "events",
        "execute",
        "fields",
        "launch",
        "launcher",
        "plan",
        "schema",
        "tracker",
        "view",
    }
)

#: Of what makes components of a person's files: what they become, and how they are imported and
#: called. The rest reads and judges them.
_BY_PATH = frozenset(
    f"by_path.{name}"
    for name in (
        "call",
        "fields",
        "load",
        "local_names",
        "objective",
        "rollout",
        "rows",
        "verifier",
    )
)

#: Counts where an evaluation is identified, or chooses or feeds what is trained.
_EVALUATION = "evaluation"


def _counts(module: str, owner: str, *, evaluation: bool) -> bool:
    """Tell whether an import belongs to what a module computes: its package's, and etude's.

    Of etude the frame does not count. What other packages hold is known by their versions, which
    are recorded and not hashed.
    """
    top, _, below = module.partition(".")
    if top != "etude":
        return top == owner.partition(".")[0]
    part = below.partition(".")[0]
    if part == "by_path":
        return below in _BY_PATH
    return bool(part) and part not in _NEVER_COUNTS and (evaluation or part != _EVALUATION)


def counted_modules(imports: Iterable[Iterable[str]]) -> set[str]:
    """Return the modules of etude among what files outside of it import, as far as they count."""
    return {
        name
        for names in imports
        for name in names
        if _counts(name, "etude", evaluation=True) and module_file(name) is not None
    }


def code_hashes(modules: set[str], *, evaluation: bool = False) -> dict[str, str | None]:
    """Return module → hash of what its source says, for modules and what they import.

    Imports are followed within a module's own package and into etude. Of etude, what can change no
    result is left out, and so is how models are measured unless ``evaluation`` asks for it. A
    module whose file cannot be found has the hash None. Raises SyntaxError for a file that is not
    Python.
    """
    found: dict[str, str | None] = {}
    waiting = sorted(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        file = module_file(module)
        if file is None:
            if module in modules:
                found[module] = None
            continue
        found[module], imports = _SCANS.of(file, module)
        waiting.extend(name for name in imports if _counts(name, module, evaluation=evaluation))
    _SCANS.save()
    return found
