"""What a dotted key of the command line names: a typed key, a component's node, or nothing."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.component import GROUPS
from etude.config.keys import choosing
from etude.config.overlay import STAGE_GROUPS, over_node
from etude.config.quoting import pasted
from etude.config.settings import ROOT_ONLY, STAGE_EXTRAS, STAGE_ROOT_KEYS
from etude.config.spelling import (
    WHOLE,
    did_you_mean,
    listed,
    nearest,
    places_of,
    stage_fields,
    unknown_key,
)
from etude.schema import ComponentInfo, FieldInfo, Schema

_INNER = re.compile(r"(list|dict)\[(?:str,)?(.+)\]")


class Unknown(Exception):
    """A key that names nothing; the text says what is wrong and what to type."""


@dataclass(frozen=True)
class Key:
    """A typed key with what it may be, in the stage ``stage`` (None: the root)."""

    path: str
    field: FieldInfo
    stage: str | None = None


@dataclass(frozen=True)
class Node:
    """A place that holds keys: a component, a struct, a stage, the parts of a slot.

    A ``removable`` one is an entry that null takes away.
    ``short`` is the key that a bare text put there stands for.
    """

    path: str
    keys: tuple[str, ...]
    group: str | None = None
    stage: str | None = None
    many: bool = False
    removable: bool = False
    short: str = ""


@dataclass(frozen=True)
class NameOf:
    """The ``name`` of a component's node, which a choice decides."""

    path: str
    group: str
    now: str
    stage: str | None = None


Target = Key | Node | NameOf


@dataclass(frozen=True)
class Locator:
    """Finds keys in one composed root; ``stage_nodes`` lays each stage's overlay over it.

    With ``new_entries`` a key under which parts may lie is a place though none lies there yet.
    """

    schema: Schema
    root: Mapping[str, Any]
    stage_nodes: Mapping[str, Mapping[str, Any]]
    plain: Mapping[str, FieldInfo]
    new_entries: bool = False

    def find(self, path: str) -> Target:
        """Return what a path names; raises Unknown."""
        parts = path.split(".")
        if parts[0] == "stages":
            return self._in_stages(parts[1:])
        return self._at_root(parts)

    def _at_root(self, parts: list[str]) -> Target:
        head, rest = parts[0], parts[1:]
        if head in self.plain:
            return self._field(self.plain[head], rest, head, None)
        if head == "sources":
            return self._source(rest)
        if head in GROUPS:
            return self._node(self.root.get(head), head, rest, head, None)
        names = [*self.plain, *GROUPS, "stages"]
        raise Unknown(unknown_key(head, WHOLE, names, self.schema, self.root))

    def _source(self, rest: list[str]) -> Target:
        sources = self.root.get("sources") or {}
        if not rest:
            return Node("sources", tuple(sources), "sources", many=True)
        key = rest[0]
        if key not in sources:
            near = did_you_mean(key, sources) or f" There are {listed(sources)}."
            new = " A new one: " + pasted(f"sources.{key}={{name:dataset,path:FILE}}")
            raise Unknown(f"there is no source '{key}'.{near}{new}")
        return self._node(sources[key], "sources", rest[1:], f"sources.{key}", None)

    def _in_stages(self, parts: list[str]) -> Target:
        known = self.stage_nodes
        if not parts:
            return Node("stages", tuple(known))
        stage, rest = parts[0], parts[1:]
        if stage not in known:
            near = did_you_mean(stage, known) or f" There is {listed(known) or 'none'}."
            raise Unknown(f"there is no stage '{stage}'.{near}")
        own = stage_fields()
        if not rest:
            return Node(f"stages.{stage}", (*own, *STAGE_GROUPS, *STAGE_ROOT_KEYS), stage=stage)
        head, path = rest[0], f"stages.{stage}.{rest[0]}"
        if head in own:
            return self._field(own[head], rest[1:], path, stage)
        if head in STAGE_GROUPS:
            return self._node(known[stage].get(head), head, rest[1:], path, stage)
        if head in STAGE_ROOT_KEYS:
            return self._field(self.plain[head], rest[1:], path, stage)
        if head in ROOT_ONLY or head in self.plain:
            raise Unknown(f"{head} belongs to the whole run: {'.'.join(rest)}=…")
        names = [*own, *STAGE_GROUPS, *STAGE_ROOT_KEYS]
        close = nearest(head, names)
        places = [] if close else places_of(head, self.schema, known[stage])
        if places:
            belongs = listed([f"stages.{stage}.{place}" for place in places], 3)
            raise Unknown(f"a stage has no key '{head}'. It belongs to {belongs}.")
        raise Unknown(unknown_key(head, "a stage", names, self.schema, known[stage]))

    def _node(self, node: Any, group: str, rest: list[str], path: str, stage: str | None) -> Target:
        if group == "recipe":
            raise Unknown("a recipe is chosen, recipe=NAME; its keys lie at the root.")
        name = node.get("name") if isinstance(node, Mapping) else None
        info = self.schema.find(group, str(name)) if name is not None else None
        if not rest:
            keys = tuple(field.name for field in info.fields_in(node)) if info else ()
            return Node(path, keys, group, stage)
        if info is None:
            if node is None:
                how = choosing(path, group)
                raise Unknown(f"{path} is not set; choose it first: {how}=CHOICE")
            return Key(path, FieldInfo(rest[-1], "any", optional=True), stage)
        if rest == ["name"]:
            return NameOf(f"{path}.name", group, info.name, stage)
        return self._in_component(node, info, rest, path, stage)

    def _in_component(
        self, node: Any, info: ComponentInfo, rest: list[str], path: str, stage: str | None
    ) -> Target:
        key, inner = rest[0], f"{path}.{rest[0]}"
        field = info.field_of(key)
        if field is None:
            if key in STAGE_EXTRAS.get(info.group, ()) and stage is not None:
                return Key(inner, FieldInfo(key, "str", optional=True), stage)
            owner = path.removeprefix(f"stages.{stage}.")
            if not nearest(key, info.fields) and (of := self._part_with(key, node, info)):
                raise Unknown(f"{owner} has no key '{key}'. It belongs to {path}.{of}.{key}.")
            raise Unknown(unknown_key(key, owner, info.fields, self.schema, self.root))
        found = self._inside(node.get(key), field, rest[1:], inner, stage)
        if key not in info.fields and len(rest) == 1 and isinstance(found, Node):
            return dataclasses.replace(found, removable=True)
        return found

    def _part_with(self, key: str, node: Mapping[str, Any], info: ComponentInfo) -> str | None:
        """Return where in a component a part lies that has a key."""
        for field in info.fields.values():
            there = node.get(field.name)
            group = field.slot or field.slots
            if not group or not isinstance(there, Mapping):
                continue
            parts = {field.name: there} if field.slot else _under(field.name, there)
            for place, part in parts.items():
                name = part.get("name") if isinstance(part, Mapping) else None
                inner = self.schema.find(group, str(name))
                if inner is not None and key in inner.fields:
                    return place
        return None

    def _inside(
        self, value: Any, field: FieldInfo, rest: list[str], path: str, stage: str | None
    ) -> Target:
        """Return what a path names in a field: a part, parts by key, or a key of a struct."""
        if field.slot and field.follows and rest:
            nodes = self.root if stage is None else self.stage_nodes[stage]
            value = over_node(nodes.get(field.slot), value, field.slot, self.schema)
        if field.slot:
            if field.follows and not (isinstance(value, Mapping) and "name" in value):
                # What is not chosen there has the keys of the stage's own.
                around = self.root if stage is None else self.stage_nodes[stage]
                value = around.get(field.slot) if rest else value
            found = self._node(value, field.slot, rest, path, stage)
            return _reads_key(found, field) if isinstance(found, Key) else found
        if not field.holds_parts:
            return self._field(field, rest, path, stage)
        value = field.written_out(value)
        there = value if isinstance(value, Mapping) else {}
        fields = field.struct
        if not rest:
            many, short = fields is None, field.short
            return Node(path, tuple(fields or there), field.slots, stage, many=many, short=short)
        key, inner = rest[0], f"{path}.{rest[0]}"
        if field.slots:
            if key not in there and not (self.new_entries and len(rest) == 1):
                raise Unknown(self._no_part(key, field.slots, there, path))
            found = self._node(there.get(key), field.slots, rest[1:], inner, stage)
            return _reads_key(found, field) if isinstance(found, Key) else found
        below = fields.get(key) if fields is not None else field.entry(key)
        if below is None:
            raise Unknown(unknown_key(key, path, fields or (), self.schema, self.root))
        found = self._inside(there.get(key), _reads(below, field), rest[1:], inner, stage)
        if fields is None and len(rest) == 1 and isinstance(found, Node):
            return dataclasses.replace(found, removable=True)
        return found

    def _no_part(self, name: str, group: str, there: Mapping[str, Any], path: str) -> str:
        known = self.schema.components.get(group, {})
        near = did_you_mean(name, there)
        if near or name not in known:
            near = near or did_you_mean(name, known)
            return f"there is no part '{name}' here.{near or f' There is {listed(there) or None}.'}"
        how = f"{path}.{name}={name}"
        if group in self.schema.lists:
            how = pasted(f"{group}=[{','.join([*there, name])}]")
        return f"the part '{name}' is not chosen; choose it first: {how}"

    def _field(self, field: FieldInfo, rest: list[str], path: str, stage: str | None) -> Target:
        fields = field.struct
        if fields is not None:
            if not rest:
                return Node(path, tuple(fields), stage=stage)
            if rest[0] not in fields:
                raise Unknown(unknown_key(rest[0], path, fields, self.schema, self.root))
            inner = _reads(fields[rest[0]], field)
            return self._field(inner, rest[1:], f"{path}.{rest[0]}", stage)
        if not rest:
            return Key(path, field, stage)
        kind = field.type
        inside = f"{path}.{rest[0]}"
        if isinstance(kind, str) and (match := _INNER.fullmatch(kind)):
            kind = {match[1]: match[2]}
        if isinstance(kind, dict) and ("dict" in kind or "list" in kind):
            entry = FieldInfo(
                rest[0],
                kind.get("dict", kind.get("list")),
                doc=field.doc,
                kind=field.kind,
                choices=field.choices,
                read_by=field.read_by,
                mandatory=True,
            )
            return self._field(entry, rest[1:], inside, stage)
        if kind == "any" or isinstance(kind, dict):
            return Key(
                inside, FieldInfo(rest[-1], "any", optional=True, read_by=field.read_by), stage
            )
        raise Unknown(f"{path} is one value ({field.doc}); it has no key '{rest[0]}'.")


def _under(place: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a slot of several by where they lie."""
    return {f"{place}.{key}": part for key, part in parts.items()}


def _reads_key(inner: Key, outer: FieldInfo) -> Key:
    """Return a key of a part with the condition of the slot where it has none."""
    return dataclasses.replace(inner, field=_reads(inner.field, outer))


def _reads(inner: FieldInfo, outer: FieldInfo) -> FieldInfo:
    """Return a field of a struct or a part with the condition of what holds it, if it has none."""
    if inner.read_by or not outer.read_by:
        return inner
    return dataclasses.replace(inner, read_by=outer.read_by)
