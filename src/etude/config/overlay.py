"""A stage's config is the root with the stage's overlay laid over it; these are the rules.

- A node that a file was chosen for, and a node with another ``name``, replaces the root's.
- The same name or none merges key by key; null takes a node, a part or an entry away.
- A slot of several parts is replaced as a whole by parts that have a name; a part without one only
  changes keys of the root's part under the same key.
- A mapping of free keys is replaced by a node that has a name and merged key by key by one without.
- ``sources``, ``launcher`` and ``recipe`` are the run's and no stage's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etude.component import GROUPS
from etude.config.settings import ROOT_ONLY, STAGE_ROOT_KEYS
from etude.config.sharing import ByIdentity
from etude.schema import FieldInfo, Schema

#: The groups whose nodes a stage may lay something over.
STAGE_GROUPS: tuple[str, ...] = tuple(group for group in GROUPS if group not in ROOT_ONLY)

_STAGE_KEYS = (*STAGE_GROUPS, *sorted(STAGE_ROOT_KEYS), *sorted(ROOT_ONLY - {"recipe"}))


def overlays_of(root: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return stage → its overlay; what is no mapping overlays nothing (check_root says so)."""
    stages = root.get("stages")
    if not isinstance(stages, Mapping):
        return {}
    return {str(name): over if isinstance(over, Mapping) else {} for name, over in stages.items()}


class Overlays:
    """Lays stages' overlays over roots, equal branches once: what comes out is shared as well."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._laid: ByIdentity[Any] = ByIdentity()
        self._pinned: ByIdentity[frozenset[str]] = ByIdentity()

    def pinned(self, choices: Mapping[str, Any], stage: str) -> frozenset[str]:
        """Return the paths inside a stage's overlay that a file was chosen for."""
        return self._pinned.of(lambda: pinned_by(choices, stage), choices, also=stage)

    def node(
        self,
        root: Mapping[str, Any],
        over: Mapping[str, Any],
        key: str,
        pinned: frozenset[str] = frozenset(),
    ) -> Any:
        """Return a stage's node of a group, its seed or its execution; it must not be changed."""
        base = root.get(key)
        if key not in over or key in ROOT_ONLY:
            return base
        upper = over[key]
        if key in STAGE_ROOT_KEYS:
            return self._laid.of(lambda: _merge(base, upper), base, upper, also=key)

        def lay() -> Any:
            return _node(base, upper, key, self._schema, key, pinned)

        return self._laid.of(lay, base, upper, also=(key, pinned))

    def lay(
        self,
        root: Mapping[str, Any],
        over: Mapping[str, Any],
        pinned: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        """Return a stage's groups, seed and execution: the root's with the overlay over them.

        ``pinned`` holds the dotted paths inside the overlay that files were chosen for. The nodes
        are shared with the root, the overlay and other stages: they must not be changed.
        """
        return {key: self.node(root, over, key, pinned) for key in _STAGE_KEYS}


def lay_over(
    root: Mapping[str, Any],
    over: Mapping[str, Any],
    schema: Schema,
    pinned: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Return one stage's nodes as :meth:`Overlays.lay` does."""
    return Overlays(schema).lay(root, over, pinned)


def pinned_by(choices: Mapping[str, Any], stage: str) -> frozenset[str]:
    """Return the paths inside a stage's overlay that a file was chosen for."""
    head = f"stages.{stage}."
    packages = (key.partition("@")[2] for key, choice in choices.items() if choice is not None)
    return frozenset(package[len(head) :] for package in packages if package.startswith(head))


def _node(
    base: Any, over: Any, group: str, schema: Schema, path: str, pinned: frozenset[str]
) -> Any:
    if not isinstance(over, Mapping) or not isinstance(base, Mapping) or path in pinned:
        return over
    name = over.get("name")
    if name is not None and name != base.get("name"):
        return over
    info = schema.find(group, str(base.get("name")))
    fields: Mapping[str, FieldInfo] = info.fields if info is not None else {}
    merged = dict(base)
    for key, value in over.items():
        field = fields.get(key)
        inner = f"{path}.{key}"
        old = base.get(key)
        if field is not None and (parts := field.slots or field.dict_of):
            merged[key] = _parts(old, value, parts, schema, inner, pinned)
        elif field is not None and field.slot:
            merged[key] = _node(old, value, field.slot, schema, inner, pinned)
        elif field is not None and field.struct is not None:
            merged[key] = _merge(old, value)
        elif isinstance(value, Mapping) and name is None:
            merged[key] = _entries(old, value)
        else:
            merged[key] = value
    return merged


def _parts(
    base: Any, over: Any, group: str, schema: Schema, path: str, pinned: frozenset[str]
) -> Any:
    """Return the parts of a slot of several: those with a name are the whole set."""
    if not isinstance(over, Mapping):
        return over
    old: Mapping[str, Any] = base if isinstance(base, Mapping) else {}
    whole = not over or any(isinstance(part, Mapping) and "name" in part for part in over.values())
    laid = {} if whole else dict(old)
    for key, part in over.items():
        if part is None:
            laid.pop(key, None)
        else:
            laid[key] = _node(old.get(key), part, group, schema, f"{path}.{key}", pinned)
    return laid


def _entries(base: Any, over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping of free keys with entries changed, added, or taken away by null."""
    laid = dict(base) if isinstance(base, Mapping) else {}
    for key, value in over.items():
        if value is None:
            laid.pop(key, None)
        else:
            laid[key] = _merge(laid.get(key), value)
    return laid


def _merge(base: Any, over: Any) -> Any:
    """Return plain values merged: mappings key by key, everything else replaced."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    return {**base, **{key: _merge(base.get(key), value) for key, value in over.items()}}
