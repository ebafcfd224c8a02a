"""Everything that can be chosen here: etude's own files, the plug-ins' and those of this folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from etude import component
from etude.by_path.describe import ByPath
from etude.by_path.reference import is_reference
from etude.by_path.reference import read as read_reference
from etude.config.plugins import Plugin, discover
from etude.config.read_presets import derived_from
from etude.config.read_yaml import read_yaml, text_of
from etude.entries import ComponentInfo, PresetInfo, Schema, built_in

#: Groups whose files lie in a folder of their own beside conf/.
OWN_FOLDERS = {"recipe": "recipes", "launcher": "launchers"}

_LOOKS_OURS = re.compile(r"^\s*(name|defaults|pipeline|stages)\s*:", re.MULTILINE)


@dataclass(frozen=True)
class Origin:
    """A place that holds choices: a package's folder or a person's."""

    title: str
    folder: Path
    own_folders: bool = True
    user: bool = False
    broken: str | None = None

    def folder_of(self, group: str) -> Path:
        """Return the folder that holds the choices of a group."""
        if self.own_folders and group in OWN_FOLDERS:
            return self.folder / OWN_FOLDERS[group]
        return self.folder / "conf" / group


@dataclass(frozen=True)
class Choice:
    """One YAML file that can be chosen as ``group=name``."""

    group: str
    name: str
    path: Path
    origin: Origin


@dataclass(frozen=True, eq=False)
class Installation:
    """The schema of every component and the choices of every group.

    The first origin that has a choice gives it: this folder, then etude, then the plug-ins by name.
    """

    schema: Schema
    origins: tuple[Origin, ...]
    primary: Path
    broken: tuple[Plugin, ...] = ()
    notes: list[str] = field(default_factory=list)
    _choices: dict[str, dict[str, Choice]] = field(default_factory=dict)

    @cached_property
    def groups(self) -> dict[str, str]:
        """Return every config group and sub-group with what it is for."""
        return {**component.GROUPS, **self.schema.groups}

    @cached_property
    def placed_groups(self) -> frozenset[str]:
        """Return the groups that a dotted path alone tells: ``objective.advantage`` is one."""
        return frozenset(component.GROUPS) | self.schema.always_slots

    def choices(self, group: str) -> dict[str, Choice]:
        """Return the choices of a group by name, in order of name."""
        if group not in self._choices:
            self._choices[group] = self._collect(group)
        return self._choices[group]

    def choice(self, group: str, name: str) -> Choice | None:
        """Return one choice, or None when the group has none of that name.

        A place (``./reward.py:score``) is a choice of every group; its path is that of no YAML.
        """
        if is_reference(name):
            file = read_reference(name).file
            return Choice(group, name, file, Origin("your own files", file.parent, user=True))
        return self.choices(group).get(name)

    def component_name(self, group: str, choice: str) -> str:
        """Return the component of a choice: the ``name`` in its file or in one it derives from."""
        if is_reference(choice):
            return choice
        seen: list[str] = []
        while choice not in seen and (found := self.choice(group, choice)) is not None:
            seen.append(choice)
            content = read_yaml(found.path)
            named = _named(content)
            if named is not None:
                return named
            choice = derived_from(content) or choice
        return choice

    @property
    def warnings(self) -> list[str]:
        """Return what a person should know of this installation before anything runs."""
        broken = [
            f"the plug-in {plugin.name} ({plugin.package}) cannot be loaded: {plugin.broken}"
            for plugin in self.broken
        ]
        for group in self.groups:
            self.choices(group)
        return [*broken, *self.schema.warnings, *dict.fromkeys(self.notes)]

    def _collect(self, group: str) -> dict[str, Choice]:
        found: dict[str, Choice] = {}
        for origin in reversed(self.origins):
            folder = origin.folder_of(group)
            for name, path in _files(folder, group, frozenset(self.groups)):
                new = Choice(group, name, path, origin)
                if (old := found.get(name)) is None or self._shadows(new, old):
                    found[name] = new
        return dict(sorted(found.items()))

    def _shadows(self, new: Choice, old: Choice) -> bool:
        """Say aloud that a choice hides another; a file that is none of etude's hides nothing."""
        if new.origin.user and not _LOOKS_OURS.search(text_of(new.path)):
            self.notes.append(
                f"{new.path} is left out: it has no `name:`, so it is no {new.group} of etude"
            )
            return False
        self.notes.append(
            f"{new.group}={new.name} is {new.path} of {new.origin.title}; it hides the one of"
            f" {old.origin.title}"
        )
        return True


def _named(content: dict[str, Any]) -> str | None:
    """Return the component name in a file, also where the content is wrapped in a part's key."""
    if isinstance(content.get("name"), str):
        return str(content["name"])
    nodes = [node for key, node in content.items() if key != "defaults"]
    if len(nodes) == 1 and isinstance(nodes[0], dict) and isinstance(nodes[0].get("name"), str):
        return str(nodes[0]["name"])
    return None


def _files(folder: Path, group: str, groups: frozenset[str]) -> Iterator[tuple[str, Path]]:
    """Yield (choice, path) of a group's folder; folders that are groups themselves are skipped."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            if f"{group}/{path.name}" not in groups:
                for name, inner in _files(path, f"{group}/{path.name}", groups):
                    yield f"{path.name}/{name}", inner
        elif path.suffix == ".yaml":
            yield path.stem, path


def merge(own: Schema, plugins: Sequence[Plugin]) -> Schema:
    """Return etude's schema with the plug-ins' components beside it; the first of a name stays."""
    groups = dict(own.groups)
    components: dict[str, dict[str, ComponentInfo]] = {
        group: dict(entries) for group, entries in own.components.items()
    }
    learners = dict(own.learners)
    warnings: list[str] = []
    for plugin in plugins:
        for group, doc in plugin.schema.groups.items():
            groups.setdefault(group, doc)
        for group, entries in plugin.schema.components.items():
            for name, info in entries.items():
                known = components.setdefault(group, {}).setdefault(name, info)
                if known is not info:
                    warnings.append(
                        f"{group}={name} of the plug-in {plugin.name} is not used: {known.package}"
                        f" has one of that name"
                    )
        for name, learner in plugin.schema.learners.items():
            other = learners.setdefault(name, learner)
            if other is not learner:
                warnings.append(
                    f"the learner {name} of the plug-in {plugin.name} is not used: {other.package}"
                    f" has one of that name"
                )
    merged = Schema(groups, components, tuple(warnings), learners, _presets(own, plugins))
    return replace(merged, beyond=ByPath(merged))


def _presets(own: Schema, plugins: Sequence[Plugin]) -> dict[str, dict[str, PresetInfo]]:
    """Return every preset; of one name the file of the first origin is chosen, and its entry."""
    found: dict[str, dict[str, PresetInfo]] = {}
    for schema in (own, *(plugin.schema for plugin in plugins)):
        for group, entries in schema.presets.items():
            for name, preset in entries.items():
                found.setdefault(group, {}).setdefault(name, preset)
    return found


def make(
    own: Schema, package_folder: Path, plugins: Sequence[Plugin], user_folder: Path | None
) -> Installation:
    """Return the installation of a package folder, plug-ins and a person's folder."""
    origins = [Origin("etude", package_folder, own_folders=False)]
    origins += [
        Origin(f"the plug-in {plugin.name}", plugin.folder, broken=plugin.broken)
        for plugin in plugins
        if plugin.folder is not None
    ]
    if user_folder is not None and not _is_own(user_folder, package_folder):
        origins.insert(0, Origin("this folder", user_folder, user=True))
    return Installation(
        schema=merge(own, plugins),
        origins=tuple(origins),
        primary=package_folder / "conf" / "etude.yaml",
        broken=tuple(plugin for plugin in plugins if plugin.broken),
    )


def _is_own(folder: Path, package_folder: Path) -> bool:
    """Tell whether a folder's conf/ is etude's own (a checkout of etude is the current folder)."""
    own = package_folder / "conf"
    return (folder / "conf").exists() and own.exists() and (folder / "conf").samefile(own)


def installed(user_folder: Path | None = None) -> Installation:
    """Return what is installed, with the choices of a folder (the current one where None).

    Folders without choices share one installation, and with it all that was composed from it.
    """
    folder = user_folder or Path.cwd()  # a process may go to another folder
    return seen_from(folder if _holds_choices(folder) else None)


def _holds_choices(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("conf", *OWN_FOLDERS.values()))


@cache
def seen_from(user_folder: Path | None) -> Installation:
    """Return what is installed, with the choices of this folder."""
    package_folder = Path(component.__file__).parent
    return make(built_in(), package_folder, discover(), user_folder)
