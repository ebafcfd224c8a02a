"""Trees that many configs share, and what was found out about them, found out once.

The members of a sweep are alike but for a few values. Whatever is laid over a tree makes a new one
that shares every untouched branch, and equal branches at one place are one object (:class:`Trees`).
So "the same object" means "the same config", and what is made of a branch can be remembered by
which object it is (:class:`ByIdentity`). Shared trees are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ByIdentity(Generic[T]):
    """Remembers what was made of objects by which objects they are, not by their values.

    The objects are kept alive, so another one can never have the identity of a remembered one.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Hashable, ...], tuple[tuple[object, ...], T]] = {}

    def of(self, make: Callable[[], T], *objects: object, also: Hashable = None) -> T:
        """Return what ``make`` gives for ``objects`` (and the plain value ``also``), made once."""
        key = (also, *map(id, objects))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = (objects, make())
        return found[1]


class Trees:
    """Keeps one object for all equal branches at the same place of a config.

    Branches at different places stay different objects: YAML would write a repeated object as a
    reference.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Hashable, ...], Any] = {}
        self._ids: set[int] = set()

    def keep(self, node: Any, place: str = "") -> Any:
        """Return the one tree of plain values that is equal to ``node``, in types and order too."""
        if not isinstance(node, (dict, list)) or id(node) in self._ids:
            return node
        items = node.items() if isinstance(node, dict) else enumerate(node)
        held = {key: self.keep(item, f"{place}.{key}") for key, item in items}
        key = (place, type(node), *((key, _mark(item)) for key, item in held.items()))
        if key not in self._kept:
            tree = held if isinstance(node, dict) else list(held.values())
            self._kept[key] = tree
            self._ids.add(id(tree))
        return self._kept[key]


def _mark(item: Any) -> int | str:
    """Return what tells a kept branch, or a plain value with its type, from all others."""
    # repr keeps 1, 1.0, True and '1' apart, and -0.0 from 0.0.
    return id(item) if isinstance(item, (dict, list)) else repr(item)


def put(node: Any, path: str, value: Any) -> Any:
    """Return ``node`` with a value laid at a dotted path; mappings on the way are made.

    What the path does not touch is shared with ``node``, which stays as it is.
    """
    return _put(node, path.split("."), value)


def _put(node: Any, parts: list[str], value: Any) -> Any:
    head, *rest = parts
    if isinstance(node, list):
        copy = list(node)
        copy[int(head)] = _put(node[int(head)], rest, value) if rest else value
        return copy
    old = node.get(head)
    if rest:
        return {**node, head: _put(old if isinstance(old, (dict, list)) else {}, rest, value)}
    return {**node, head: _merged(old, value)}


def _merged(old: Any, value: Any) -> Any:
    """Return a mapping laid over a mapping key by key; anything else replaces what was there."""
    if not isinstance(value, Mapping) or not isinstance(old, Mapping):
        return value
    merged = dict(old)
    for key, inner in value.items():
        name = str(key)
        merged[name if "." not in name else key] = (
            inner if "." in name else _merged(merged.get(name), inner)
        )
    return merged


def remove(node: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return ``node`` without what is at a dotted path; untouched branches are shared with it."""
    head, _, rest = path.partition(".")
    if not rest:
        return {key: value for key, value in node.items() if key != head}
    inner = node.get(head)
    return {**node, head: remove(inner, rest)} if isinstance(inner, Mapping) else dict(node)
