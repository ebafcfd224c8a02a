"""A config node against its component: defaults filled in, numbers typed, every misfit a fault."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.config import values
from etude.config.keys import choosing
from etude.config.quoting import pasted
from etude.config.settings import extras_of
from etude.config.spelling import did_you_mean, listed, unknown_key
from etude.config.values import Misfit
from etude.schema import ComponentInfo, FieldInfo, Schema

MISSING = "???"


@dataclass
class Conformer:
    """Turns nodes into complete typed dicts and collects (path, message) of what does not fit."""

    schema: Schema
    root: Mapping[str, Any] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)

    def node(self, node: Any, group: str, path: str) -> Any:
        """Return a component's node with every field; a node of None stays None."""
        if node is None:
            return None
        if not isinstance(node, Mapping):
            how = f"is a part of the group {group}, chosen with {_how(group, path)}"
            own = f"; in a file it is chosen in the defaults list: - /{group}@PLACE: {node}"
            self._fault(path, how + (own if isinstance(node, str) else "") + ".")
            return node
        name = node.get("name")
        if name is None:
            own = "a file of your own begins with defaults: [CHOICE, _self_]"
            self._fault(path, f"has no name; choose it with {_how(group, path)}; {own}.")
            return dict(node)
        info = self.schema.find(group, str(name))
        if info is None:
            if problems := self.schema.problems(group, str(name)):
                self._fault(f"{path}.name", "\n  ".join(problems))
                return dict(node)
            if self.schema.preset(group, str(name)) is not None:
                how = _how(group, path).replace("CHOICE", str(name))
                self._fault(f"{path}.name", f"is a preset, chosen as a file: {how}.")
                return dict(node)
            known = sorted(self.schema.components.get(group, {}))
            near = did_you_mean(str(name), known) or f" There are {listed(known)}."
            self._fault(f"{path}.name", f"there is no {group} named '{name}'.{near}")
            return dict(node)
        return self._component(node, info, path)

    def _component(self, node: Mapping[str, Any], info: ComponentInfo, path: str) -> dict[str, Any]:
        extras = extras_of(info.group)
        filled: dict[str, Any] = {"name": info.name}
        for key in node:
            if key != "name" and info.field_of(key) is None and key not in extras:
                owner = path or info.group
                names = info.fields
                self._fault(f"{path}.{key}", unknown_key(key, owner, names, self.schema, self.root))
        filled.update({key: node[key] for key in extras if key in node})
        for described in info.fields_in(node):
            key = described.name
            if key in info.fields or node[key] is not None:  # null takes an entry away
                filled[key] = self.field(node, described, f"{path}.{key}")
        return filled

    def field(self, node: Mapping[str, Any], described: FieldInfo, path: str) -> Any:
        """Return one field's value, its default where the node does not say."""
        key = described.name
        if described.slots:
            return self._parts(node.get(key), described.slots, path)
        if described.slot:
            return self._part(node.get(key), described, path)
        if key not in node or node[key] == MISSING:
            if described.mandatory:
                self._fault(path, f"needs a value ({described.doc}): {path}=VALUE")
                return None
            return self._default(described)
        return self.plain(node[key], described, path)

    def _default(self, described: FieldInfo) -> Any:
        try:
            return values.fit(copy.deepcopy(described.default), described)
        except Misfit:
            return copy.deepcopy(described.default)

    def plain(self, value: Any, described: FieldInfo, path: str) -> Any:
        """Return a plain value in its declared form."""
        fields = described.struct
        value = described.written_out(value)
        if fields is not None and isinstance(value, Mapping):
            return self.struct(value, fields, path)
        if isinstance(value, Mapping) and described.holds_parts:
            return self._entries(value, described, path)
        try:
            return values.fit(value, described)
        except Misfit as error:
            self._fault(path, values.misfit_message(path, value, described, error))
            return value

    def struct(
        self, value: Mapping[str, Any], fields: Mapping[str, FieldInfo], path: str
    ) -> dict[str, Any]:
        """Return a struct with every field."""
        for key in value:
            if key not in fields:
                self._fault(f"{path}.{key}", unknown_key(key, path, fields, self.schema, self.root))
        return {name: self.field(value, each, f"{path}.{name}") for name, each in fields.items()}

    def _entries(self, value: Mapping[str, Any], described: FieldInfo, path: str) -> dict[str, Any]:
        """Return structs by free keys, of which some field is a part's; null takes one away."""
        filled = {}
        for key, item in value.items():
            entry = described.entry(key)
            if entry is not None and item is not None:
                filled[str(key)] = self.plain(item, entry, f"{path}.{key}")
        return filled

    def _part(self, value: Any, described: FieldInfo, path: str) -> Any:
        group = described.slot or ""
        if value is None:
            if not described.optional:
                how, some = _how(group, path), self._some(group)
                self._fault(path, f"needs a part: {how} (there is {some}).")
            return None
        return self.node(value, group, path)

    def _parts(self, value: Any, group: str, path: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            how = f"{path}.KEY=CHOICE"
            if group in self.schema.lists:
                how = pasted(f"{group}=[NAME,…]")
            self._fault(path, f"takes parts of the group {group}, chosen with {how}.")
            return {}
        return {
            str(key): self.node(part, group, f"{path}.{key}")
            for key, part in value.items()
            if part is not None
        }

    def _some(self, group: str) -> str:
        return listed(sorted(self.schema.components.get(group, {})), 6)

    def _fault(self, path: str, message: str) -> None:
        self.faults.append((path, message))


def _how(group: str, path: str) -> str:
    if path.startswith("sources."):
        return f"{path}.name=dataset"
    return f"{choosing(path, group)}=CHOICE"
