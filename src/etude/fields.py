"""One config key as schema.json describes it, and which parts may lie in its value."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class FieldInfo:
    """One config key: its type, default, limits and meaning.

    ``type`` is one of ``bool int float str any``, ``list[T]``, ``dict[str,T]``, or a dict with one
    of the keys ``struct`` (field → entry), ``list``, ``dict``, ``any_of``, ``slot``, ``slots``.
    ``read_by`` is the condition on a learner's traits under which it is read; empty means always.
    With ``entries`` it has no key of its own in a node: it is the mapping of the keys that no
    other field has. ``short`` is the key of a struct that a bare text in its place stands for. A
    slot that ``follows`` is laid over the stage's own node of its group.
    """

    name: str
    type: Any
    optional: bool = False
    default: Any = None
    doc: str = ""
    kind: str = "result"
    choices: tuple[Any, ...] | None = None
    bounds: dict[str, float] = field(default_factory=dict)
    read_by: str = ""
    mandatory: bool = False
    length: int | None = None
    escapes: bool = False
    form: str = ""
    form_when: str = ""
    entries: bool = False
    short: str = ""
    follows: bool = False

    @classmethod
    def of(cls, name: str, entry: dict[str, Any]) -> FieldInfo:
        """Return the field that an entry of schema.json describes."""
        choices = entry["choices"]
        return cls(
            name,
            entry["type"],
            entry["optional"],
            entry["default"],
            entry["doc"],
            entry["kind"],
            tuple(choices) if choices is not None else None,
            entry["bounds"],
            entry.get("read_by", ""),
            entry.get("mandatory", False),
            entry.get("length"),
            entry.get("escapes", False),
            entry.get("form", ""),
            entry.get("form_when", ""),
            entry.get("entries", False),
            entry.get("short", ""),
            entry.get("follows", False),
        )

    @property
    def slot(self) -> str | None:
        """Return the group of the one part that fills this field, if a part does."""
        return self.type.get("slot") if isinstance(self.type, dict) else None

    @property
    def slots(self) -> str | None:
        """Return the group of the parts that fill this field, if several may."""
        return self.type.get("slots") if isinstance(self.type, dict) else None

    @cached_property
    def holds_parts(self) -> bool:
        """Tell whether a component fills this field, or some key inside it."""
        return holds_slots(self.type)

    @property
    def struct(self) -> dict[str, FieldInfo] | None:
        """Return the fields of a nested struct, if this is one."""
        return structs(self.type)

    def written_out(self, value: Any) -> Any:
        """Return a value with a bare text as the key of the struct that it stands for."""
        return {self.short: value} if self.short and isinstance(value, str) else value

    def entry(self, key: str) -> FieldInfo | None:
        """Return what lies under a free key, if this is a mapping of structs."""
        inner = self.type.get("dict") if isinstance(self.type, dict) else None
        for each in inner.get("any_of", [inner]) if isinstance(inner, dict) else ():
            if isinstance(each, dict) and "struct" in each:
                return dataclasses.replace(
                    self, name=key, type=each, optional=True, default=None, entries=False
                )
        return None


def holds_slots(kind: Any) -> bool:
    """Tell whether a type has a part of some group anywhere in it."""
    if isinstance(kind, dict):
        inner = [*kind.get("any_of", ()), kind.get("list"), kind.get("dict")]
        inner += [entry["type"] for entry in kind.get("struct", {}).values()]
        return "slot" in kind or "slots" in kind or any(map(holds_slots, inner))
    return False


def structs(kind: Any) -> dict[str, FieldInfo] | None:
    """Return the fields of a struct type, or None for any other type."""
    if isinstance(kind, dict) and "struct" in kind:
        return {name: FieldInfo.of(name, entry) for name, entry in kind["struct"].items()}
    return None


def slot_names(field: FieldInfo) -> Iterator[str]:
    """Yield the names of the fields that components fill: this one, or those inside its structs."""
    if field.slot or field.slots:
        yield field.name
    elif field.holds_parts:
        struct = field.struct or (entry.struct if (entry := field.entry("")) else None)
        for inner in (struct or {}).values():
            yield from slot_names(inner)


def following_slots(field: FieldInfo) -> Iterator[str]:
    """Yield the groups of the slots that follow the stage: this one, or those in its structs."""
    if field.slot:
        if field.follows:
            yield field.slot
    elif field.holds_parts:
        struct = field.struct or (entry.struct if (entry := field.entry("")) else None)
        for inner in (struct or {}).values():
            yield from following_slots(inner)


def is_own(slot: str, group: str) -> bool:
    """Tell whether the group of a slot is a sub-group of ``group``, and no group of its own."""
    return slot.rpartition("/")[0] == group
