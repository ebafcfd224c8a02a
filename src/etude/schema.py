"""What can be configured, known without importing any of it: groups, components, fields, needs.

``python -m etude.schema`` writes schema.json and the YAML of every component from the code;
:func:`load` reads schema.json, with the plug-ins' laid beside it, in milliseconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FieldInfo:
    """One config key: its type, default, limits and meaning.

    ``type`` is one of ``bool int float str any``, ``list[T]``, ``dict[str,T]``, or a dict with one
    of the keys ``struct`` (field → entry), ``list``, ``dict``, ``any_of``, ``slot``, ``slots``,
    ``dict_of``. ``learners`` names the learners that read it; empty means all.
    """

    name: str
    type: Any
    optional: bool = False
    default: Any = None
    doc: str = ""
    kind: str = "result"
    choices: tuple[Any, ...] | None = None
    bounds: dict[str, float] = field(default_factory=dict)
    learners: tuple[str, ...] = ()
    mandatory: bool = False
    length: int | None = None

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
            tuple(entry["learners"]),
            entry.get("mandatory", False),
            entry.get("length"),
        )

    @property
    def slot(self) -> str | None:
        """Return the group of the one part that fills this field, if a part does."""
        return self.type.get("slot") if isinstance(self.type, dict) else None

    @property
    def slots(self) -> str | None:
        """Return the group of the parts that fill this field, if several may."""
        return self.type.get("slots") if isinstance(self.type, dict) else None

    @property
    def dict_of(self) -> str | None:
        """Return the group of the components this field maps keys to, if it does."""
        return self.type.get("dict_of") if isinstance(self.type, dict) else None

    @property
    def struct(self) -> dict[str, FieldInfo] | None:
        """Return the fields of a nested struct, if this is one."""
        return structs(self.type)


def structs(kind: Any) -> dict[str, FieldInfo] | None:
    """Return the fields of a struct type, or None for any other type."""
    if isinstance(kind, dict) and "struct" in kind:
        return {name: FieldInfo.of(name, entry) for name, entry in kind["struct"].items()}
    return None


@dataclass(frozen=True)
class NeedInfo:
    """One entry of requires, provides or conflicts; see :class:`etude.component.Need`."""

    what: str
    when: str = ""
    why: str = ""


@dataclass(frozen=True)
class ComponentInfo:
    """One component: where its class is, what it is, its fields and its needs."""

    group: str
    name: str
    cls: str
    doc: str
    source: str
    many: bool
    fields: dict[str, FieldInfo]
    requires: tuple[NeedInfo, ...]
    provides: tuple[NeedInfo, ...]
    conflicts: tuple[NeedInfo, ...]
    learner: str | None
    reads: tuple[str, ...] | None
    words: str
    depends_on_steps: bool
    example: str
    package: str

    @classmethod
    def of(cls, group: str, name: str, entry: dict[str, Any], package: str) -> ComponentInfo:
        """Return the component that an entry of a package's schema.json describes."""
        reads = entry.get("reads")
        return cls(
            group=group,
            name=name,
            cls=entry["class"],
            doc=entry["doc"],
            source=entry["source"],
            many=entry["many"],
            fields={key: FieldInfo.of(key, each) for key, each in entry["fields"].items()},
            requires=tuple(NeedInfo(**need) for need in entry["requires"]),
            provides=tuple(NeedInfo(**need) for need in entry["provides"]),
            conflicts=tuple(NeedInfo(**need) for need in entry["conflicts"]),
            learner=entry.get("learner"),
            reads=tuple(reads) if reads is not None else None,
            words=entry.get("words", ""),
            # A schedule that does not say is taken to end where the stage ends.
            depends_on_steps=entry.get("depends_on_steps", group == "optimizer/schedule"),
            example=entry.get("example", ""),
            package=package,
        )


@dataclass(frozen=True)
class Schema:
    """Every component by group and name, and what was wrong with a plug-in."""

    groups: dict[str, str]
    components: dict[str, dict[str, ComponentInfo]]
    warnings: tuple[str, ...] = ()

    def find(self, group: str, name: str) -> ComponentInfo | None:
        """Return a component, or None when the group has none of that name."""
        return self.components.get(group, {}).get(name)

    def sub_groups(self, group: str) -> dict[str, bool]:
        """Return the sub-groups of a group's slots → whether they take several parts."""
        found: dict[str, bool] = {}
        for info in self.components.get(group, {}).values():
            for described in info.fields.values():
                if described.slots:
                    found[described.slots] = True
                elif described.slot:
                    found.setdefault(described.slot, False)
        return found


def parse(content: dict[str, Any], package: str = "etude") -> Schema:
    """Return the schema that the JSON of one package describes."""
    return Schema(
        groups={group: entry["doc"] for group, entry in content["groups"].items()},
        components={
            group: {
                name: ComponentInfo.of(group, name, each, package) for name, each in entries.items()
            }
            for group, entries in content["components"].items()
        },
    )


@cache
def built_in() -> Schema:
    """Return the schema of etude's own components."""
    path = Path(__file__).parent / "schema.json"
    return parse(json.loads(path.read_text(encoding="utf-8")))


def load() -> Schema:
    """Return the schema of etude and of every installed plug-in."""
    from etude.config.installation import installed

    return installed().schema


if __name__ == "__main__":
    import sys

    from etude.config.generate import main

    sys.exit(main(sys.argv[1:]))
