"""Which file an import of a person's file means: one that lies beside it, or none of theirs.

What lies in the file's folder is local, as it is for a script, and where that folder is a package
also what lies in the folder that holds the package. Python's own modules and etude are never meant
by what happens to lie there; a folder without ``__init__.py`` is meant only where the import names
a file in it, so that ``wandb/`` with its records hides no package.
"""

from __future__ import annotations

import sys
from pathlib import Path

_NEVER = frozenset(sys.stdlib_module_names) | {"etude", "__future__"}


def root_of(file: Path) -> Path:
    """Return the folder that a file's modules are named from: above its outermost package."""
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def module_of(file: Path, root: Path) -> str:
    """Return the dotted name of a file below a root; that of a package is its folder's."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def file_of(name: str, root: Path) -> Path | None:
    """Return the file of a dotted name below a root, None where there is none."""
    base = root.joinpath(*name.split("."))
    for file in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if file.is_file():
            return file
    return None


def resolved(name: str, importer: str, root: Path, members: tuple[str, ...] = ()) -> str | None:
    """Return the dotted name below ``root`` that ``importer``'s ``import name`` means, if any.

    ``importer`` is the package of the file that imports. ``members`` are what ``from name import``
    takes: a folder that is no package is meant where one of them is a file in it.
    """
    if name.partition(".")[0] in _NEVER:
        return None
    for package in dict.fromkeys((importer, "")):
        full = f"{package}.{name}" if package else name
        top = f"{package}.{name.partition('.')[0]}" if package else name.partition(".")[0]
        if file_of(full, root) is not None or (file_of(top, root) is not None):
            return full
        if any(file_of(f"{full}.{member}", root) is not None for member in members):
            return full
    return None
