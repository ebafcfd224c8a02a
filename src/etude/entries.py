"""The entries of schema.json as objects: groups, components, their fields and needs.

They are read without importing what they describe; ``etude.schema`` gives those of everything that
is installed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from etude.by_path.place import Place

from etude.config.conditions import holds
from etude.fields import FieldInfo, is_own, slot_names
from etude.learner.traits import Traits

#: Groups that are read by whoever reads how answers are sampled.
ENVIRONMENTS = ("environment", "environments")


@dataclass(frozen=True)
class NeedInfo:
    """One entry of requires, provides or conflicts; see :class:`etude.component.Need`."""

    what: str
    when: str = ""
    why: str = ""


@dataclass(frozen=True)
class RuleInfo:
    """One condition on a component's values; see :class:`etude.component.Rule`."""

    must: str
    says: str
    key: str = ""


@dataclass(frozen=True)
class ComponentInfo:
    """One component: where its class is, what it is, its fields and its needs."""

    group: str
    name: str
    cls: str
    doc: str
    source: str
    fields: dict[str, FieldInfo]
    entries: FieldInfo | None
    requires: tuple[NeedInfo, ...]
    provides: tuple[NeedInfo, ...]
    conflicts: tuple[NeedInfo, ...]
    rules: tuple[RuleInfo, ...]
    learner: str | None
    reads: tuple[str, ...] | None
    words: str
    depends_on_steps: bool
    example: str
    package: str
    #: Of a budget, the field that holds the most answers a prompt gets (rollout/budget/kind.py).
    at_most: str = ""
    #: Of a verifier, whether it judges in the process of the stage, and not in workers.
    in_stage: bool = False
    #: Where it lies, of a component that was named by its place (:mod:`etude.by_path`).
    place: Place | None = None

    @property
    def title(self) -> str:
        """Return what is typed to choose the component."""
        return f"{self.group}={self.name}"

    @classmethod
    def of(cls, group: str, name: str, entry: dict[str, Any], package: str) -> ComponentInfo:
        """Return the component that an entry of a package's schema.json describes."""
        reads = entry.get("reads")
        fields = {key: FieldInfo.of(key, each) for key, each in entry["fields"].items()}
        return cls(
            group=group,
            name=name,
            cls=entry["class"],
            doc=entry["doc"],
            source=entry["source"],
            fields={key: field for key, field in fields.items() if not field.entries},
            entries=next((field for field in fields.values() if field.entries), None),
            requires=tuple(NeedInfo(**need) for need in entry["requires"]),
            provides=tuple(NeedInfo(**need) for need in entry["provides"]),
            conflicts=tuple(NeedInfo(**need) for need in entry["conflicts"]),
            rules=tuple(RuleInfo(**rule) for rule in entry.get("rules", ())),
            learner=entry.get("learner"),
            reads=_with_environments(reads) if reads is not None else None,
            words=entry.get("words", ""),
            # A schedule that does not say is taken to end where the stage ends.
            depends_on_steps=entry.get("depends_on_steps", group == "optimizer/schedule"),
            example=entry.get("example", ""),
            package=package,
            at_most=entry.get("at_most", ""),
            in_stage=entry.get("in_stage", False),
        )

    def field_of(self, key: str) -> FieldInfo | None:
        """Return what a key of the component's node is, None where it has no such key."""
        field = self.fields.get(key)
        if field is None and self.entries is not None and key != "name":
            return self.entries.entry(key)
        return field

    def fields_in(self, node: Mapping[str, Any]) -> Iterator[FieldInfo]:
        """Yield every field, and what each free key of a node is where those are entries."""
        yield from self.fields.values()
        if self.entries is not None:
            for key in node:
                if key not in self.fields and (field := self.field_of(key)) is not None:
                    yield field


def _with_environments(reads: Sequence[str]) -> tuple[str, ...]:
    """Return the groups that a component reads: where it samples, what it plays with as well."""
    own = ENVIRONMENTS if "rollout" in reads else ()
    return tuple(dict.fromkeys((*reads, *own)))


@dataclass(frozen=True)
class PresetInfo:
    """A file that chooses parts and values of a component, under a name of its own.

    ``of`` is the component, or another preset of the group; ``values`` are what it chooses by
    field, for a slot the choice of its group.
    """

    group: str
    name: str
    of: str
    doc: str
    source: str
    values: dict[str, Any]
    requires: tuple[NeedInfo, ...]
    example: str
    package: str

    @classmethod
    def from_entry(cls, group: str, name: str, entry: dict[str, Any], package: str) -> PresetInfo:
        """Return the preset that an entry of a package's schema.json describes."""
        requires = tuple(NeedInfo(**need) for need in entry.get("requires", ()))
        said = {key: entry.get(key, "") for key in ("of", "doc", "source", "example")}
        return cls(group, name, values=entry["values"], requires=requires, package=package, **said)

    def laid_over(self, info: ComponentInfo) -> ComponentInfo:
        """Return the component as this preset has it: its defaults, name, source and needs."""
        fields = {
            key: dataclasses.replace(each, default=self.values.get(key, each.default))
            for key, each in info.fields.items()
        }
        return dataclasses.replace(
            info,
            name=self.name,
            doc=self.doc,
            source=self.source,
            fields=fields,
            requires=(*info.requires, *self.requires),
            example=self.example,
            package=self.package,
        )


class Beyond(Protocol):
    """Finds components that no package has."""

    def find(self, group: str, name: str) -> ComponentInfo | None:
        """Return a component of a group, or None where the name is none."""

    def problems(self, group: str, name: str) -> tuple[str, ...]:
        """Return why a name of the form that is found here is no component."""


@dataclass(frozen=True, kw_only=True)
class LearnerInfo(Traits):
    """One learner: where its class is, what it does, and its traits."""

    name: str
    cls: str = ""
    doc: str = ""
    package: str = "etude"

    @property
    def title(self) -> str:
        """Return the learner as a person would name it."""
        return f"the learner {self.name}"

    @classmethod
    def of(cls, name: str, entry: dict[str, Any], package: str) -> LearnerInfo:
        """Return the learner that an entry of a package's schema.json describes."""
        facts = {key: value for key, value in entry.items() if key not in ("class", "doc")}
        facts["next"] = tuple(entry.get("next", ()))
        return cls(name=name, cls=entry["class"], doc=entry["doc"], package=package, **facts)

    def reads(self, field: FieldInfo) -> bool:
        """Tell whether this learner reads a key that its stage's config has."""
        return not field.read_by or _meets(self, field.read_by)


@cache
def _meets(traits: Traits, condition: str) -> bool:
    return holds(condition, dataclasses.asdict(traits))


@dataclass(frozen=True)
class Schema:
    """Every component by group and name, every learner, and what was wrong with a plug-in.

    ``beyond`` finds those that no package has (:mod:`etude.by_path`).
    """

    groups: dict[str, str]
    components: dict[str, dict[str, ComponentInfo]]
    warnings: tuple[str, ...] = ()
    learners: dict[str, LearnerInfo] = field(default_factory=dict)
    presets: dict[str, dict[str, PresetInfo]] = field(default_factory=dict)
    beyond: Beyond | None = field(default=None, compare=False, repr=False)

    def learner(self, name: str) -> LearnerInfo:
        """Return a learner; one that is not installed is taken to read rows and train a model."""
        return self.learners.get(name) or LearnerInfo(name=name)

    def readers(self, described: FieldInfo) -> list[str]:
        """Return the learners that read a key."""
        return [name for name, learner in self.learners.items() if learner.reads(described)]

    def find(self, group: str, name: str) -> ComponentInfo | None:
        """Return a component, or None when the group has none of that name."""
        known = self.components.get(group, {}).get(name)
        return known or (self.beyond.find(group, name) if self.beyond is not None else None)

    def preset(self, group: str, name: str) -> ComponentInfo | None:
        """Return a component as one of its presets has it, or None where none has that name."""
        found = self.presets.get(group, {}).get(name)
        if found is None:
            return None
        base = self.find(group, found.of) or self.preset(group, found.of)
        return found.laid_over(base) if base is not None else None

    def of(self, group: str, node: Mapping[str, Any]) -> ComponentInfo | None:
        """Return a node's component, as the preset has it that the node was chosen by."""
        named = node.get("preset")
        preset = self.preset(group, named) if isinstance(named, str) else None
        return preset or self.find(group, str(node.get("name")))

    def choices(self, group: str) -> dict[str, ComponentInfo]:
        """Return the components of a group and, as components, the presets that packages bring."""
        made = {name: self.preset(group, name) for name in self.presets.get(group, {})}
        presets = {name: info for name, info in made.items() if info is not None}
        return dict(sorted({**self.components.get(group, {}), **presets}.items()))

    def problems(self, group: str, name: str) -> tuple[str, ...]:
        """Return what is wrong with a name that is no component for a reason of its own."""
        return self.beyond.problems(group, name) if self.beyond is not None else ()

    def sub_groups(self, group: str) -> dict[str, bool]:
        """Return the sub-groups of a group's own slots → whether they take several parts."""
        found: dict[str, bool] = {}
        for info in self.components.get(group, {}).values():
            for described in info.fields.values():
                if (slot := described.slots or described.slot) and is_own(slot, group):
                    found[slot] = bool(described.slots) or found.get(slot, False)
        return found

    @cached_property
    def lists(self) -> frozenset[str]:
        """Return the sub-groups whose own slot takes several parts, chosen as a list."""
        found = (self.sub_groups(group) for group in self.components)
        return frozenset(sub for subs in found for sub, many in subs.items() if many)

    @cached_property
    def slot_names(self) -> frozenset[str]:
        """Return the names of all fields that components fill, those inside structs too."""
        fields = (
            field
            for components in self.components.values()
            for info in components.values()
            for field in (*info.fields.values(), *filter(None, [info.entries]))
        )
        return frozenset(name for field in fields for name in slot_names(field))

    @cached_property
    def always_slots(self) -> frozenset[str]:
        """Return the sub-groups whose place is a slot whatever component lies around it."""
        found = set()
        for group, components in self.components.items():
            for sub in self.sub_groups(group):
                name = sub.rpartition("/")[2]
                fields = [info.fields[name] for info in components.values() if name in info.fields]
                if all(sub in (field.slot, field.slots) for field in fields):
                    found.add(sub)
        return frozenset(found)


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
        learners={
            name: LearnerInfo.of(name, each, package)
            for name, each in content.get("learners", {}).items()
        },
        presets={
            group: {
                name: PresetInfo.from_entry(group, name, each, package)
                for name, each in entries.items()
            }
            for group, entries in content.get("presets", {}).items()
        },
    )


@cache
def built_in() -> Schema:
    """Return the schema of etude's own components."""
    path = Path(__file__).parent / "schema.json"
    return parse(json.loads(path.read_text(encoding="utf-8")))
