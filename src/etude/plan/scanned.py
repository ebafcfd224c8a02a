"""What source files say and import, remembered between commands by what the files contain.

Reading four hundred files takes some hundredths of a second, parsing them most of one. What was
found lies in a file of the person's cache, keyed by content and by the code that reads it, so that
neither an edit nor another version of etude can be answered with what an earlier one said.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from etude.plan import syntax
from etude.plan.syntax import syntax_hash

#: Entries of files that are no longer there are forgotten when so many have gathered.
_MOST = 5000


class Scanned(NamedTuple):
    """What a source file says as a hash, and the modules that it imports, by all their names."""

    says: str
    imports: tuple[str, ...]


class Scans:
    """Scans source files, each content once on this machine; ``folder`` is where it remembers.

    The memory only saves time: one that cannot be read or written costs parsing again.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._found: dict[tuple[Path, int, int], Scanned] = {}
        self._used: dict[str, Scanned] = {}
        self._changed = False

    def of(self, file: Path, module: str) -> Scanned:
        """Return what a module's file says; raises SyntaxError for one that is not Python."""
        stat = file.stat()
        state = (file, stat.st_size, stat.st_mtime_ns)
        if state not in self._found:
            self._found[state] = self._read(file, module)
        return self._found[state]

    def save(self) -> None:
        """Remember what is new for later commands."""
        if not self._changed or self._store is None:
            return
        every = {**self._known, **self._used}
        kept = every if len(every) <= _MOST else self._used
        beside = self._store.with_name(f"{self._store.name}.{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            self._store.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(kept), encoding="utf-8")
            beside.replace(self._store)
        self._changed = False

    def _read(self, file: Path, module: str) -> Scanned:
        content = file.read_bytes()
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        key = f"{hashlib.sha256(content).hexdigest()} {package}"
        found = self._known.get(key) or self._used.get(key)
        if found is None:
            tree = ast.parse(content, filename=str(file))
            found = Scanned(syntax_hash(tree), tuple(sorted(_imports(tree, package))))
            self._changed = True
        self._used[key] = found
        return found

    @cached_property
    def _store(self) -> Path | None:
        folder = self._folder or _cache()
        own = hashlib.sha256()
        for source in (__file__, syntax.__file__):  # what reads files is part of what it says
            own.update(Path(source).read_bytes())
        return folder and folder / f"code-{own.hexdigest()[:16]}.json"

    @cached_property
    def _known(self) -> dict[str, Scanned]:
        if self._store is None:
            return {}
        with contextlib.suppress(ValueError, RecursionError, OSError):
            content = json.loads(self._store.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return {key: Scanned(e[0], tuple(e[1])) for key, e in content.items() if _is_one(e)}
        return {}


def _cache() -> Path | None:
    """Return the folder that a person's programs keep such things in, None for nobody's."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "etude"
    except RuntimeError:  # an account without a home, as in some containers
        return None


def _is_one(value: object) -> bool:
    """Tell whether a remembered value is a hash and names."""
    if not isinstance(value, list) or list(map(type, value)) != [str, list]:
        return False
    return all(isinstance(name, str) for name in value[1])


def _imports(tree: ast.Module, package: str) -> set[str]:
    """Return the modules that a file of a package may import, and what is imported from them."""
    found: set[str] = set()
    for node in ast.walk(tree):
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
