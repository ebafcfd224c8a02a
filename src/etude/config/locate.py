"""What a dotted key of the command line names: a typed key, a component's node, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.component import GROUPS
from etude.config.overlay import STAGE_GROUPS
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
    """A typed key, read by ``learners`` (empty: all), in the stage ``stage`` (None: the root)."""

    path: str
    field: FieldInfo
    stage: str | None = None


@dataclass(frozen=True)
class Node:
    """A place that holds keys: a component, a struct, a stage, the parts of a slot."""

    path: str
    keys: tuple[str, ...]
    group: str | None = None
    stage: str | None = None
    many: bool = False


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
    """Finds keys in one composed root; ``stage_nodes`` lays each stage's overlay over it."""

    schema: Schema
    root: Mapping[str, Any]
    stage_nodes: Mapping[str, Mapping[str, Any]]
    plain: Mapping[str, FieldInfo]

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
            new = f" A new one: sources.{key}={{name:dataset,path:FILE}}"
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
            return Node(path, tuple(info.fields) if info else (), group, stage)
        if info is None:
            if node is None:
                raise Unknown(f"{path} is not set; choose it first: {group}=CHOICE")
            return Key(path, FieldInfo(rest[-1], "any", optional=True), stage)
        if rest == ["name"]:
            return NameOf(f"{path}.name", group, info.name, stage)
        return self._in_component(node, info, rest, path, stage)

    def _in_component(
        self, node: Any, info: ComponentInfo, rest: list[str], path: str, stage: str | None
    ) -> Target:
        key, inner = rest[0], f"{path}.{rest[0]}"
        field = info.fields.get(key)
        if field is None:
            if key in STAGE_EXTRAS.get(info.group, ()) and stage is not None:
                return Key(inner, FieldInfo(key, "str", optional=True), stage)
            owner = path.removeprefix(f"stages.{stage}.")
            raise Unknown(unknown_key(key, owner, info.fields, self.schema, self.root))
        value = node.get(key)
        if field.slot:
            return self._node(value, field.slot, rest[1:], inner, stage)
        if parts := field.slots or field.dict_of:
            there = value if isinstance(value, Mapping) else {}
            if len(rest) == 1:
                return Node(inner, tuple(there), parts, stage, many=True)
            name = rest[1]
            if name not in there:
                raise Unknown(self._no_part(name, parts, there))
            return self._node(there[name], parts, rest[2:], f"{inner}.{name}", stage)
        return self._field(field, rest[1:], inner, stage)

    def _no_part(self, name: str, group: str, there: Mapping[str, Any]) -> str:
        known = self.schema.components.get(group, {})
        near = did_you_mean(name, there)
        if near or name not in known:
            near = near or did_you_mean(name, known)
            return f"there is no part '{name}' here.{near or f' There is {listed(there) or None}.'}"
        chosen = ",".join([*there, name])
        return f"the part '{name}' is not chosen; choose it first: {group}=[{chosen}]"

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
                learners=field.learners,
                mandatory=True,
            )
            return self._field(entry, rest[1:], inside, stage)
        if kind == "any" or isinstance(kind, dict):
            return Key(
                inside, FieldInfo(rest[-1], "any", optional=True, learners=field.learners), stage
            )
        raise Unknown(f"{path} is one value ({field.doc}); it has no key '{rest[0]}'.")


def _reads(inner: FieldInfo, outer: FieldInfo) -> FieldInfo:
    """Return a struct's field with the learners of the struct where it names none."""
    if inner.learners or not outer.learners:
        return inner
    import dataclasses

    return dataclasses.replace(inner, learners=outer.learners)
