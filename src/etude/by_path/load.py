"""Importing a person's file: under a name of its own, with the files beside it as its own too.

Two rewards may each have a ``helpers.py`` beside them, and neither gets the other's. Nothing is
written beside the files (no ``__pycache__``), and what a file says now is what is imported.
"""

from __future__ import annotations

import builtins
import copyreg
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from etude.by_path.files import read
from etude.by_path.local_names import file_of, module_of, resolved, root_of
from etude.by_path.place import Place
from etude.component import BY_PATH, Declaration

#: Name of the package that stands for a folder → the folder, and where it lay when it was named.
_roots: dict[str, tuple[Path, Path]] = {}


def imported(file: Path, original: Path) -> ModuleType:
    """Return the module of a file; ``original`` is the place that it is told as its own.

    Whatever the file raises while it is imported comes out.
    """
    root = root_of(file)
    # Another state of the files is another module.
    package = f"{BY_PATH}{read(file).digest[:16]}"
    if package not in _roots:
        depth = len(file.relative_to(root).parts)
        _roots[package] = root, original.parents[depth - 1]
        if not any(isinstance(each, _Finder) for each in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
    return importlib.import_module(f"{package}.{module_of(file, root)}")


def attribute_of(file: Path, original: Path, name: str) -> Any:
    """Return a function or a class of a file."""
    return getattr(imported(file, original), name)


def class_of(place: Place, declaration: Declaration) -> type:
    """Return a component's class; what is made of it can be sent to a worker process."""
    cls: Any = attribute_of(place.file, place.original, place.attribute)
    if "declaration" not in vars(cls):
        cls.declaration = declaration
    copyreg.pickle(cls, _Sent(place))
    found: type = cls
    return found


@dataclass(frozen=True)
class _Sent:
    """How a component of a class by path is pickled: its place and its values."""

    place: Place

    def __call__(self, component: Any) -> tuple[Any, ...]:
        place = self.place
        return _received, (place.file, place.original, place.attribute, vars(component))


def _received(file: Path, original: Path, name: str, values: Mapping[str, Any]) -> Any:
    cls: Any = attribute_of(file, original, name)
    made = cls.__new__(cls)
    made.__dict__.update(values)
    return made


def is_of(filename: str, original: Path) -> bool:
    """Tell whether a frame's file is a person's: below the folder in which their file lay."""
    place = Path(filename)
    if "site-packages" in place.parts:
        return False
    return place == original or any(
        place.is_relative_to(there) for _, there in _roots.values() if there in original.parents
    )


class _Finder(MetaPathFinder):
    """Finds the modules below the packages that stand for folders."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return how to import one of these modules, None for all others."""
        package, _, name = fullname.partition(".")
        if package not in _roots:
            return None
        root, there = _roots[package]
        if not name:
            return ModuleSpec(fullname, _Namespace(), is_package=True)
        file = file_of(name, root)
        if file is None:
            folder = root.joinpath(*name.split("."))
            if folder.is_dir():
                return ModuleSpec(fullname, _Namespace(), is_package=True)
            return None
        origin = there / file.relative_to(root)
        is_package = file.name == "__init__.py"
        loader = _Source(file, package, name if is_package else name.rpartition(".")[0], root)
        spec = ModuleSpec(fullname, loader, origin=str(origin), is_package=is_package)
        spec.has_location = True
        return spec


class _Namespace(Loader):
    """A folder that is no package of its own, and the folder of all."""

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: there is no code."""


class _Source(Loader):
    """Runs a file with an ``import`` that looks beside it first."""

    def __init__(self, file: Path, package: str, importer: str, root: Path) -> None:
        self._file = file
        self._package = package
        self._importer = importer
        self._root = root

    def exec_module(self, module: ModuleType) -> None:
        """Run the file in its module."""
        assert module.__spec__ is not None  # the machinery has set it
        code = compile(self._file.read_bytes(), str(module.__spec__.origin), "exec")
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        exec(code, module.__dict__)

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0:
            members = tuple(fromlist or ())
            meant = resolved(name, self._importer, self._root, members)
            if meant is not None:
                return self._local(name, meant, members)
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    def _local(self, name: str, meant: str, members: tuple[str, ...]) -> ModuleType:
        module = importlib.import_module(f"{self._package}.{meant}")
        if not members:
            # `import a.b` binds a.
            below = meant.removesuffix(name.partition(".")[2]).rstrip(".") if "." in name else meant
            return sys.modules[f"{self._package}.{below}"]
        for member in members:
            inner = f"{meant}.{member}"
            if not hasattr(module, member) and file_of(inner, self._root) is not None:
                importlib.import_module(f"{self._package}.{inner}")
        return module
