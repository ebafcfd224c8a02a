"""A stage's config is the root with the stage's overlay laid over it; these are the rules.

- A node that a file was chosen for, and a node with another ``name`` or ``preset``, replaces the
  root's.
- The same name or none merges key by key; null takes a node, a part or an entry away.
- A component's own slot of several parts (``objective.shaping``) is replaced as a whole by parts
  that have a name; a part without one only changes keys of the root's part under the same key.
- A slot of several components of another group is merged entry by entry, as are other entries.
- A mapping of free keys is replaced by a node that has a name and merged key by key by one without.
- A slot that follows the stage is laid over the stage's own node of its group, by the same rules.
- ``sources``, ``launcher`` and ``recipe`` are the run's and no stage's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any

from etude.component import GROUPS
from etude.config.settings import ROOT_ONLY, STAGE_ROOT_KEYS
from etude.config.sharing import ByIdentity
from etude.fields import following_slots, is_own
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
        self._sets: ByIdentity[bool] = ByIdentity()
        self._pinned: ByIdentity[frozenset[str]] = ByIdentity()

    def pinned(self, choices: Mapping[str, Any], stage: str) -> frozenset[str]:
        """Return the paths inside a stage's overlay that a file was chosen for."""
        return self._pinned.of(lambda: pinned_by(choices, stage), choices, also=stage)

    def files(self, choices: Mapping[str, Any]) -> frozenset[str]:
        """Return the paths that files were chosen for, beside those of whole groups."""
        return self._pinned.of(lambda: files_chosen(choices), choices, also=("", "files"))

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

    def following(
        self, raw: dict[str, Any], pinned: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """Return a stage's nodes with those of slots that follow it laid over its own.

        ``pinned`` holds the paths that files were chosen for, at the root and in the stage. What is
        not set stays null.
        """
        laid = dict(raw)
        for key, groups in self._followed.items():
            node = raw.get(key)
            if isinstance(node, Mapping) and self._sets.of(partial(self._any, node, key), node):
                around = [raw.get(group) for group in groups]
                make = partial(_with_followed, node, key, raw, self._schema, pinned)
                laid[key] = self._laid.of(make, node, *around, also=("following", key, pinned))
        return laid

    def _any(self, node: Mapping[str, Any], group: str) -> bool:
        """Tell whether anything is set in a slot of a node that follows the stage."""
        info = self._schema.find(group, str(node.get("name")))
        fields = info.fields_in(node) if info is not None else ()
        return any(_is_set(node.get(field.name), field) for field in fields)

    @cached_property
    def _followed(self) -> dict[str, tuple[str, ...]]:
        """Return the groups in which slots follow the stage → the groups of those slots."""
        found = {}
        for group, components in self._schema.components.items():
            fields = (
                field
                for info in components.values()
                for field in (*info.fields.values(), *filter(None, [info.entries]))
            )
            slots = dict.fromkeys(slot for field in fields for slot in following_slots(field))
            if slots:
                found[group] = tuple(slots)
        return found


def over_node(base: Any, over: Any, group: str, schema: Schema) -> Any:
    """Return what a slot that follows the stage holds, its own keys laid over the stage's node.

    A part with a name is taken as it is: a file was chosen for it.
    """
    if over is None or (isinstance(over, Mapping) and "name" in over):
        return base if over is None else over
    return _node(base, over, group, schema, group, frozenset())


def _is_set(value: Any, field: FieldInfo) -> bool:
    """Tell whether a value sets anything in a slot that follows the stage."""
    if field.slot:
        return field.follows and value is not None
    fields = field.struct
    if fields is None or not isinstance(value, Mapping):
        return False
    return any(key in fields and _is_set(item, fields[key]) for key, item in value.items())


def _with_followed(
    node: Mapping[str, Any],
    group: str,
    raw: Mapping[str, Any],
    schema: Schema,
    pinned: frozenset[str],
) -> dict[str, Any]:
    info = schema.find(group, str(node.get("name")))
    laid = dict(node)
    for field in info.fields_in(node) if info is not None else ():
        if field.name in node and next(following_slots(field), None):
            value, path = node[field.name], f"{group}.{field.name}"
            laid[field.name] = _followed(value, field, raw, schema, path, pinned)
    return laid


def _followed(
    value: Any,
    field: FieldInfo,
    raw: Mapping[str, Any],
    schema: Schema,
    path: str,
    pinned: frozenset[str],
) -> Any:
    """Return a field's value with every slot in it that follows the stage laid over its node."""
    if field.slot and field.follows:
        if value is None:
            return None
        return _node(raw.get(field.slot), value, field.slot, schema, path, pinned)
    fields = field.struct
    if not isinstance(value, Mapping) or fields is None:
        return value
    return {
        key: _followed(item, fields[key], raw, schema, f"{path}.{key}", pinned)
        if key in fields
        else item
        for key, item in value.items()
    }


def files_chosen(choices: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths that files were chosen for, beside those of whole groups."""
    packages = (key.partition("@")[2] for key, choice in choices.items() if choice is not None)
    return frozenset(package for package in packages if package)


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
    name, preset = over.get("name"), over.get("preset")
    if name is not None and (name != base.get("name") or preset not in (None, base.get("preset"))):
        return over
    info = schema.find(group, str(base.get("name")))
    merged = dict(base)
    for key, value in over.items():
        field = info.field_of(key) if info is not None else None
        old, inner = base.get(key), f"{path}.{key}"
        if info is not None and field is not None and key not in info.fields and value is None:
            merged.pop(key, None)
        elif field is not None and field.slots and is_own(field.slots, group):
            merged[key] = _parts(old, value, field.slots, schema, inner, pinned)
        elif field is not None and (field.holds_parts or field.struct is not None):
            merged[key] = _field(old, value, field, schema, inner, pinned)
        elif isinstance(value, Mapping) and name is None:
            merged[key] = _entries(old, value)
        else:
            merged[key] = value
    return merged


def _field(
    base: Any, over: Any, field: FieldInfo, schema: Schema, path: str, pinned: frozenset[str]
) -> Any:
    """Return a part, a struct or a mapping of either, merged key by key and entry by entry."""
    if field.slot:
        return _node(base, over, field.slot, schema, path, pinned)
    base, over = field.written_out(base), field.written_out(over)
    if not isinstance(over, Mapping) or not field.holds_parts:
        return _merge(base, over)
    laid = dict(base) if isinstance(base, Mapping) else {}
    fields = field.struct
    for key, value in over.items():
        old, inner = laid.get(key), f"{path}.{key}"
        below = fields.get(key) if fields is not None else field.entry(key)
        if value is None and fields is None:
            laid.pop(key, None)
        elif field.slots:
            laid[key] = _node(old, value, field.slots, schema, inner, pinned)
        elif below is not None:
            laid[key] = _field(old, value, below, schema, inner, pinned)
        else:
            laid[key] = value
    return laid


def _parts(
    base: Any, over: Any, group: str, schema: Schema, path: str, pinned: frozenset[str]
) -> Any:
    """Return the parts of an own slot of several: those with a name are the whole set."""
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
