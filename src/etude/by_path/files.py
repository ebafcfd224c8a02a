"""A person's file and the local files it imports, as syntax trees: read, never run."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from etude.by_path.local_names import file_of, module_of, resolved, root_of
from etude.plan.syntax import syntax_hash

_Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class Bundle:
    """A file with the local files it imports, by their names below ``root`` (``lib/text.py``).

    ``main`` is the file that was named. ``modules`` are those of etude that any of them imports.
    ``problems`` say, with file and line, what keeps them from being imported; where there are any
    the rest may not be whole.
    """

    root: Path
    main: str
    sources: Mapping[str, bytes]
    trees: Mapping[str, ast.Module]
    prints: Mapping[str, str]
    modules: tuple[str, ...]
    problems: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """Return what tells this state of the files from every other, in hex."""
        digest = hashlib.sha256(str(self.root).encode())
        for name, source in sorted(self.sources.items()):
            digest.update(f"\0{name}\0{len(source)}\0".encode() + source)
        return digest.hexdigest()

    @property
    def tree(self) -> ast.Module:
        """Return the syntax tree of the file that was named."""
        return self.trees[self.main]


_known: dict[Path, tuple[dict[Path, _Stamp], Bundle]] = {}


def read(file: Path) -> Bundle:
    """Return a file with what it imports, read again once any of it has changed.

    Raises OSError where the file itself cannot be read.
    """
    known = _known.get(file)
    if known is not None and all(_stamp(path) == stamp for path, stamp in known[0].items()):
        return known[1]
    reader = _Reader(root_of(file))
    reader.add(file)
    reader.follow()
    bundle = reader.bundle(file)
    _known[file] = (reader.stamps, bundle)
    return bundle


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


class _Reader:
    """Follows imports from file to file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stamps: dict[Path, _Stamp] = {}
        self.sources: dict[str, bytes] = {}
        self.trees: dict[str, ast.Module] = {}
        self.prints: dict[str, str] = {}
        self.modules: set[str] = set()
        self.problems: list[str] = []
        self._waiting: list[Path] = []

    def add(self, file: Path) -> None:
        """Read a file, and have what it imports read in turn."""
        name = file.relative_to(self.root).as_posix()
        if name in self.sources:
            return
        self.stamps[file] = _stamp(file)
        self.sources[name] = source = file.read_bytes()
        try:
            tree = ast.parse(source, filename=str(file))
            self.prints[name] = syntax_hash(tree)
        except SyntaxError as error:
            line = f":{error.lineno}" if error.lineno else ""
            self.problems.append(f"{file.name}{line}: {error.msg}.")
        except (ValueError, RecursionError, MemoryError) as error:
            self.problems.append(f"{file.name} cannot be read as Python: {error}.")
        else:
            self.trees[name] = tree
            self._waiting.append(file)

    def follow(self) -> None:
        """Read everything that is imported, until nothing new is."""
        while self._waiting:
            file = self._waiting.pop()
            name = file.relative_to(self.root).as_posix()
            module = module_of(file, self.root)
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            for parent in self._packages(file):
                self.add(parent)
            for each in _imports(self.trees[name]):
                self._import(each, package, file)

    def _packages(self, file: Path) -> Iterator[Path]:
        """Yield the ``__init__.py`` of the packages that a file lies in."""
        for folder in file.parents:
            if folder == self.root:
                return
            if (init := folder / "__init__.py").is_file():
                yield init

    def _import(self, each: _Import, package: str, file: Path) -> None:
        where = f"{file.name}:{each.line}"
        if each.level:
            parts = package.split(".") if package else []
            if each.level - 1 > len(parts):
                said = "." * each.level + each.name
                self.problems.append(f"{where}: '{said}' leads out of the package.")
                return
            base = [*parts[: len(parts) - each.level + 1], *filter(None, [each.name])]
            name: str | None = ".".join(base)
        else:
            name = resolved(each.name, package, self.root, each.members)
        if name is None:
            self._foreign(each, where)
            return
        found = [name, *(f"{name}.{member}" if name else member for member in each.members)]
        there = [path for path in (file_of(one, self.root) for one in found if one) if path]
        main = file_of(name, self.root) if name else None
        for path in there:
            self.add(path)
        if main is None and not there:
            said = "." * each.level + each.name
            self.problems.append(f"{where}: imports {said}, and there is no such file beside it.")
        elif main is not None and not each.guarded:
            self._members(each, name, main, where)

    def _members(self, each: _Import, name: str, file: Path, where: str) -> None:
        """Note what a local file is asked for and does not have."""
        tree = self.trees.get(file.relative_to(self.root).as_posix())
        if tree is None:
            return
        bound = set(bound_names(tree))
        if "*" in bound or "__getattr__" in bound:
            return
        for member in each.members:
            if member == "*" or member in bound or file_of(f"{name}.{member}", self.root):
                continue
            self.problems.append(f"{where}: there is no '{member}' in {file.name}.")

    def _foreign(self, each: _Import, where: str) -> None:
        """Note a module that is nowhere; remember one of etude's."""
        top = each.name.partition(".")[0]
        if top == "etude":
            self.modules.update((each.name, *(f"{each.name}.{one}" for one in each.members)))
            return
        for suffix in ("__init__.py", None):
            path = self.root / top / suffix if suffix else self.root / f"{top}.py"
            self.stamps[path] = _stamp(path)  # it may come to lie there
        if each.guarded:
            return
        try:
            known = find_spec(top) is not None
        except (ImportError, ValueError):
            known = True  # something else is wrong with it, and it will say so
        if not known:
            self.problems.append(
                f"{where}: imports {top}, which is neither installed nor beside the file."
            )

    def bundle(self, file: Path) -> Bundle:
        """Return what was read."""
        return Bundle(
            root=self.root,
            main=file.relative_to(self.root).as_posix(),
            sources=self.sources,
            trees=self.trees,
            prints=dict(sorted(self.prints.items())),
            modules=tuple(sorted(self.modules)),
            problems=tuple(self.problems),
        )


@dataclass(frozen=True)
class _Import:
    """One import: its dotted name, the dots before it, what it takes, and whether it may fail."""

    name: str
    level: int
    members: tuple[str, ...]
    line: int
    guarded: bool


def _imports(tree: ast.Module) -> Iterator[_Import]:
    """Yield every import of a file, wherever it stands, in the order of the lines."""
    # Whoever adds to sys.path has modules where nobody else looks for them.
    anywhere = any(
        isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"
        for node in ast.walk(tree)
    )
    waiting: list[tuple[ast.AST, bool]] = [(tree, anywhere)]
    found: list[_Import] = []
    while waiting:
        node, guarded = waiting.pop()
        if isinstance(node, ast.Import):
            found += [_Import(a.name, 0, (), node.lineno, guarded) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            members = tuple(alias.name for alias in node.names)
            found.append(_Import(node.module or "", node.level, members, node.lineno, guarded))
        guarded = guarded or isinstance(node, ast.Try) or _only_for_types(node)
        waiting += [(child, guarded) for child in ast.iter_child_nodes(node)]
    yield from sorted(found, key=lambda each: each.line)


def _only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def bound_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a file defines at its own level; ``*`` where it takes all of another."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        waiting += ast.iter_child_nodes(node)
