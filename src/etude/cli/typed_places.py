"""What lies where on a command line that is being typed: the defaults, and what its words choose.

Nothing is composed for it: files are only read for the component they name and the choices they
make, so that a shell's completion does not wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etude.component import GROUPS
from etude.config.installation import Installation
from etude.config.read_presets import derived_from
from etude.config.read_yaml import read_yaml
from etude.config.root_yaml import DEFAULTS
from etude.config.settings import ROOT_ONLY, STAGE_ROOT_KEYS
from etude.config.spelling import root_fields, stage_fields
from etude.schema import FieldInfo

#: Parts within parts that are followed without being typed.
_DEEPEST = 4


class TypedPlaces:
    """The components and keys of a command of which some ``words`` are typed."""

    def __init__(self, words: Sequence[str], here: Installation) -> None:
        self._here = here
        typed = dict(_chosen(word.lstrip("+").split("=", 1)) for word in words if "=" in word)
        recipe = here.choice("recipe", str(typed.get("recipe", DEFAULTS["recipe"])))
        content = read_yaml(recipe.path) if recipe is not None else {}
        self._chosen: dict[str, str] = {**DEFAULTS, **dict(_of_defaults(content)), **typed}
        stages = content.get("stages")
        self.stages = [str(stage) for stage in stages] if isinstance(stages, Mapping) else []

    def keys(self, current: str) -> Iterator[str]:
        """Yield every key that may be given, each with its ``=``; a stage's where one is typed."""
        yield from self._keys(root_fields(), "", current)
        yield from self._keys(self._groups(stage=False), "", current)
        yield from self._keys(self._sources(), "sources.", current)
        for stage in self.stages:
            head = f"stages.{stage}."
            if not current.startswith(head):
                yield head
                continue
            plain = {key: root_fields()[key] for key in STAGE_ROOT_KEYS}
            for fields in (stage_fields(), plain, self._groups(stage=True)):
                yield from (f"{head}{name}=" for name in fields)
                yield from self._keys(fields, head, current)

    def field(self, path: str) -> FieldInfo | None:
        """Return what a dotted path is, None where it is nothing."""
        head, *names = path.split(".")
        place, fields = "", {**root_fields(), **self._groups(stage=False)}
        if head == "stages" and len(names) > 1:
            place, names = f"stages.{names[0]}.", names[1:]
            fields = {**stage_fields(), **fields}
            head, *names = names
        if head == "sources" and names:
            place, fields, (head, *names) = "sources.", self._sources(), names
        field = fields.get(head)
        place += head
        for name in names:
            if field is None:
                return None
            found = self._inside(field, place)
            field = found.get(name) or field.entry(name) or self._new(field, place, name)
            place = f"{place}.{name}"
        return field

    def _groups(self, *, stage: bool) -> dict[str, FieldInfo]:
        """Return the root's groups as slots, without sources and recipe."""
        left_out = ROOT_ONLY if stage else ("sources", "recipe")
        return {group: self._entry(group, group) for group in GROUPS if group not in left_out}

    def _sources(self) -> dict[str, FieldInfo]:
        names = self._here.choices("sources")
        return {name: self._entry("sources", name, default=name) for name in names}

    def _keys(self, fields: Mapping[str, FieldInfo], head: str, current: str) -> Iterator[str]:
        for name, field in fields.items():
            place = f"{head}{name}"
            if head != "sources." and (field.struct is None or field.short):
                yield f"{place}="
            if field.slots and field.slots not in self._here.schema.lists:
                yield f"{place}."
            near = place.startswith(current) or current.startswith(f"{place}.")
            if near and place.count(".") < current.count(".") + _DEEPEST:
                yield from self._keys(self._inside(field, place), f"{place}.", current)

    def _inside(self, field: FieldInfo, place: str) -> dict[str, FieldInfo]:
        """Return the keys in a field's value as far as they are known."""
        if field.slot:
            info = self._component(place, field)
            if info is None:
                return {}
            given = info.entries.default if info.entries is not None else {}
            return {each.name: each for each in info.fields_in({**self._under(place), **given})}
        if field.slots:
            inside = place.split(".", 2)[2] if place.startswith("stages.") else place
            chosen = self._chosen.get(place) or self._chosen.get(inside)
            names = (
                [*filter(None, chosen.strip("[]").split(","))] if chosen else field.default or []
            )
            own = field.slots in self._here.schema.lists
            keys = {self._component_name(field.slots, n) if own else n: n for n in names}
            keys = {**self._under(place), **keys}
            return {key: self._entry(field.slots, key, name) for key, name in keys.items()}
        if field.struct is not None:
            return field.struct
        free = {**self._under(place), **(field.default or {})} if field.holds_parts else {}
        return {key: entry for key in free if (entry := field.entry(key)) is not None}

    def _new(self, field: FieldInfo, place: str, name: str) -> FieldInfo | None:
        """Return what a key is that is not there yet, where any key may be."""
        if field.slots:
            return self._entry(field.slots, name)
        info = self._component(place, field) if field.slot else None
        return info.field_of(name) if info is not None else None

    def _under(self, place: str) -> dict[str, None]:
        """Return the keys under a place for which something was chosen."""
        head = f"{place}."
        return {
            key[len(head) :].split(".")[0]: None for key in self._chosen if key.startswith(head)
        }

    def _component(self, place: str, field: FieldInfo) -> Any:
        group = field.slot or ""
        inside = place.split(".", 2)[2] if place.startswith("stages.") else place
        choice = self._chosen.get(place) or self._chosen.get(inside) or field.default
        if not isinstance(choice, str):
            return None
        for key, chosen in self._defaults_of(group, choice).items():
            self._chosen.setdefault(f"{place}.{key}", chosen)
        return self._here.schema.find(group, self._component_name(group, choice))

    def _defaults_of(self, group: str, choice: str) -> dict[str, str]:
        """Return place within a file's component → what its defaults list chooses for it."""
        found = self._here.choice(group, choice)
        if found is None or found.path.suffix != ".yaml":
            return {}
        content = read_yaml(found.path)
        base = derived_from(content)
        below = self._defaults_of(group, base) if base not in (None, choice) else {}
        return {**below, **dict(_of_defaults(content))}

    def _component_name(self, group: str, choice: str) -> str:
        return self._here.component_name(group, choice)

    @staticmethod
    def _entry(group: str, name: str, default: str | None = None) -> FieldInfo:
        return FieldInfo(name, {"slot": group}, default=default)


def _chosen(word: Sequence[str]) -> tuple[str, str]:
    """Return the place that a word's key names, and its value."""
    group, _, package = word[0].partition("@")
    return package or group.replace("/", "."), word[1]


def _of_defaults(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (place, choice) of what a defaults list chooses, parts of a list with commas."""
    for entry in content.get("defaults") or []:
        for key, value in entry.items() if isinstance(entry, Mapping) else ():
            if isinstance(value, (str, list)):
                name = value if isinstance(value, str) else ",".join(map(str, value))
                yield _chosen((str(key).split(" ")[-1].lstrip("/"), name))
