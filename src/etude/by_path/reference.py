"""A name that is a place: ``./reward.py:score`` is the function or class ``score`` of that file.

A relative path is relative to the current folder, ``~`` is the home folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from etude.by_path import copies
from etude.config.spelling import nearest

_FORM = re.compile(r"(?P<file>[^\n]*[^\n/]\.py)(?::(?P<attribute>[^\n/]*))?")

#: Folders that are not looked into for a file of nearly that name, and how many files are enough.
_NOT_SEARCHED = frozenset({"node_modules", "outputs", "site-packages", "__pycache__"})
_MOST = 2000


@dataclass(frozen=True)
class Reference:
    """One such name: ``text`` as it was typed, ``file`` where the file lies now (maybe a copy).

    ``original`` is where it lay when the command was typed, ``attribute`` the name in it.
    """

    text: str
    file: Path
    original: Path
    attribute: str

    @property
    def shown(self) -> str:
        """Return the file as it was typed."""
        return self.text.removesuffix(f":{self.attribute}")


def is_reference(name: object) -> TypeGuard[str]:
    """Tell whether a component's name is a place: a path that ends in ``.py``, or ``.py:NAME``."""
    return isinstance(name, str) and _FORM.fullmatch(name) is not None


def read(name: str) -> Reference:
    """Return what a name for which :func:`is_reference` holds says."""
    found = _FORM.fullmatch(name)
    assert found is not None  # the caller has asked
    typed = found["file"]
    original = Path(typed).expanduser().absolute()
    file, original = copies.place_of(typed, original)
    return Reference(name, file, original, found["attribute"] or "")


def missing(reference: Reference) -> str:
    """Return what is wrong where the file of a reference is not there, with those nearest to it."""
    place = Path(reference.shown)
    there = f" in {Path.cwd()}" if not place.is_absolute() and reference.shown[0] != "~" else ""
    if reference.original.is_dir():
        return f"'{reference.shown}' is a folder."
    near = _near(reference.original)
    known = f" Did you mean {near[0]}?" if near else ""
    if not near and (beside := _python_files(reference.original.parent)):
        known = f" There is {', '.join(beside[:5])}."
    return f"there is no file '{reference.shown}'{there}.{known}"


def meant(name: str) -> str | None:
    """Return the place that a name was meant for: ``reward.score`` where ``reward.py`` is there."""
    found = re.fullmatch(r"(?P<file>.+?)(?:(?<=[\w/])[:.]+(?P<attribute>[A-Za-z_]\w*))?", name)
    if found is None:
        return None
    path = Path(f"{found['file']}.py").expanduser()
    return f"{_typed(path.absolute())}:{found['attribute'] or 'NAME'}" if path.is_file() else None


def _near(wanted: Path) -> list[str]:
    """Return files of the same or nearly the same name, nearby ones first, as one types them."""
    beside = wanted.parent
    if beside.is_dir():
        found = nearest(wanted.stem, [path.stem for path in beside.glob("*.py") if path.is_file()])
        if found:
            return [_typed(beside / f"{name}.py") for name in found]
    below = _below(Path.cwd())
    found = nearest(wanted.stem, [each.stem for each in below])
    return [_typed(path) for path in below if path.stem in found]


def _below(folder: Path) -> list[Path]:
    """Return the Python files of a folder and the two levels below it, at most so many."""
    found: list[Path] = []
    for pattern in ("*.py", "*/*.py", "*/*/*.py"):
        for path in folder.glob(pattern):
            inner = path.relative_to(folder).parts[:-1]
            hidden = any(each in _NOT_SEARCHED or each.startswith(".") for each in inner)
            if not hidden and path.is_file():
                found.append(path)
            if len(found) >= _MOST:
                return found
    return found


def _python_files(folder: Path) -> list[str]:
    return sorted(_typed(path) for path in folder.glob("*.py") if path.is_file())


def _typed(path: Path) -> str:
    try:
        return f"./{path.relative_to(Path.cwd()).as_posix()}"
    except ValueError:
        return str(path)


def files_of(configs: Iterable[Any]) -> dict[str, str]:
    """Return file as typed → one name of a component in it, over everything that configs name."""
    found: dict[str, str] = {}
    seen: set[int] = set()
    waiting = list(configs)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, (Mapping, list)) or id(node) in seen:
            continue
        seen.add(id(node))  # configs share their branches
        if isinstance(node, list):
            waiting += node
            continue
        name = node.get("name")
        if is_reference(name):
            found.setdefault(read(name).shown, name)
        waiting += node.values()
    return found
