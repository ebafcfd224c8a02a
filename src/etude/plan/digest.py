"""Hashes of files: data and models by content (remembered by path, size and time), code by import.

Nothing is imported to find or hash it, so planning stays light.
"""

from __future__ import annotations

import ast
import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import time
from functools import cache
from pathlib import Path

from etude.component import GROUPS

_CHUNK = 1 << 20

#: A longer text (a chat template) is no path; the system would refuse it.
LONGEST_PATH = 1000

#: A file younger than this could change again without its time changing; it is not remembered.
_SETTLED_SECONDS = 2.0


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class FileHashes:
    """Content hashes, remembered in ``<outputs>/.hashes.json`` by path, size and time of change."""

    def __init__(self, outputs: Path | None = None) -> None:
        self._store = outputs / ".hashes.json" if outputs is not None else None
        self._known: dict[str, list[object]] = {}
        self._changed = False
        if self._store is not None and self._store.is_file():
            # A torn or foreign cache only costs hashing again.
            with contextlib.suppress(json.JSONDecodeError, UnicodeDecodeError, OSError):
                content = json.loads(self._store.read_text(encoding="utf-8"))
                self._known = content if isinstance(content, dict) else {}

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


def _is_component_code(module: str, owner: str) -> bool:
    """Tell whether an import is part of a component: in etude only the folders of groups are.

    The rest of etude is covered by its declared version; a plug-in's whole package is its own.
    """
    top, _, below = module.partition(".")
    if top != owner.partition(".")[0]:
        return False
    return top != "etude" or below.partition(".")[0] in GROUPS


def _imports(file: Path, module: str) -> set[str]:
    found: set[str] = set()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_bytes(), filename=str(file))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base]).rstrip(".")
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def code_hashes(modules: set[str]) -> dict[str, str | None]:
    """Return module → hash of its source, for components and what they import from their kind.

    A module whose file cannot be found has the hash None. Raises SyntaxError for a file that is
    not Python.
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
        digest, imports = _scan(file, module)
        found[module] = digest
        waiting.extend(name for name in imports if _is_component_code(name, module))
    return found


_SCANNED: dict[tuple[Path, int, int], tuple[str, frozenset[str]]] = {}


def _scan(file: Path, module: str) -> tuple[str, frozenset[str]]:
    """Return a source file's hash and imports, read once for each state of the file."""
    stat = file.stat()
    key = (file, stat.st_size, stat.st_mtime_ns)
    if key not in _SCANNED:
        _SCANNED[key] = sha256_of(file), frozenset(_imports(file, module))
    return _SCANNED[key]
