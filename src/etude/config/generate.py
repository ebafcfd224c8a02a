"""Writing schema.json and the YAML of every component from the code (`python -m etude.schema`)."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from etude import component
from etude.config import read_presets, reflect, write_yaml
from etude.config.conditions import names_in
from etude.config.settings import PRESET_GROUPS
from etude.entries import built_in
from etude.fields import is_own
from etude.learner import traits

#: What a condition on learners may name.
_TRAITS = {each.name for each in fields(traits.Traits)}

_BRACES = re.compile(r"\{(\w+)\}")

Components = dict[str, dict[str, dict[str, Any]]]


@dataclass
class Found:
    """What importing a package's component modules gave."""

    components: Components = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    learners: dict[str, dict[str, Any]] = field(default_factory=dict)
    presets: Components = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    failed_modules: list[str] = field(default_factory=list)


def _slots(fields: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (group, doc) of the slots among fields, those inside structs too."""
    for described in fields.values():
        kinds = [described["type"]]
        while kinds:
            kind = kinds.pop()
            if not isinstance(kind, dict):
                continue
            if slot := kind.get("slot") or kind.get("slots"):
                yield slot, described["doc"]
            yield from _slots(kind.get("struct", {}))
            kinds += [*kind.get("any_of", ()), kind.get("list"), kind.get("dict")]


def _import_all(package: str, folder: Path, found: Found) -> None:
    """Import every module directly in a folder of a package; failures are kept as problems."""
    for info in pkgutil.iter_modules([str(folder)]):
        if info.ispkg or info.name.startswith("_"):
            continue
        module = f"{package}.{info.name}"
        try:
            importlib.import_module(module)
        except Exception:  # importing runs anybody's code; every failure is named and exits 1
            found.failed_modules.append(module)
            last = traceback.format_exc().strip().splitlines()[-1]
            found.problems.append(f"{module} cannot be imported: {last}")


def collect(package: str = "etude") -> Found:
    """Import a package's component modules; describe every component and learner it registers.

    For etude the folders are the config groups and, in turn, the sub-groups their slots name. For
    a plug-in every module of the package is imported, as its components name their groups.
    """
    found = Found()
    root = importlib.import_module(package)
    folder = Path(root.__path__[0])
    if package == "etude":
        _import_all("etude.learner", folder / "learner", found)
        found.groups.update(component.GROUPS)
        queue = list(component.GROUPS)
        while queue:
            group = queue.pop(0)
            if not (folder / group).is_dir():
                continue
            _import_all(f"etude.{group.replace('/', '.')}", folder / group, found)
            _describe_registered("etude", found)
            for entry in found.components.get(group, {}).values():
                for slot, doc in _slots(entry["fields"]):
                    if slot not in found.groups and is_own(slot, group):
                        found.groups[slot] = doc
                        queue.append(slot)
    else:
        _import_tree(package, folder, found)
        _describe_registered(package, found)
        for group, entries in found.components.items():
            slots = [slot for entry in entries.values() for slot, _ in _slots(entry["fields"])]
            found.groups.update({slot: "" for slot in slots if is_own(slot, group)})
    known = {*component.GROUPS, *found.groups, *(built_in().groups if package != "etude" else ())}
    _describe_learners(package, found)
    for group in PRESET_GROUPS:
        found.presets[group] = read_presets.presets_of(folder / "conf" / group)
    for group, entries in found.components.items():
        for name, entry in entries.items():
            found.problems += [
                f"{group}={name}: a slot names the group '{slot}', and there is none"
                for slot, _ in _slots(entry["fields"])
                if slot not in known
            ]
            found.problems += _problems(group, name, entry["fields"])
            found.problems += _unknown_names(group, name, entry)
    return found


def _import_tree(package: str, folder: Path, found: Found) -> None:
    _import_all(package, folder, found)
    for info in pkgutil.iter_modules([str(folder)]):
        if info.ispkg:
            _import_tree(f"{package}.{info.name}", folder / info.name, found)


def _is_of(cls: type, package: str) -> bool:
    return f"{cls.__module__}.".startswith(f"{package}.")


def _describe_learners(package: str, found: Found) -> None:
    for name, declared in sorted(traits.LEARNERS.items()):
        if _is_of(declared.cls, package):
            found.learners[name] = reflect.describe_learner(declared)


def _describe_registered(package: str, found: Found) -> None:
    for (group, name), cls in component.REGISTRY.items():
        if not _is_of(cls, package):
            continue
        if name in found.components.get(group, {}):
            continue
        try:
            found.components.setdefault(group, {})[name] = reflect.describe_component(cls)
        except TypeError as error:
            found.problems.append(str(error))


def _problems(group: str, name: str, fields: dict[str, Any]) -> list[str]:
    found = []
    for key, described in fields.items():
        if key == "name":
            found.append(
                f"{group}={name}: a field cannot be called 'name' (it names the component)"
            )
        if not described["doc"]:
            found.append(
                f"{group}={name}: the field '{key}' has no doc; its YAML comment needs one"
            )
        kind = described["type"]
        if isinstance(kind, dict) and "struct" in kind:
            found += _problems(group, f"{name}.{key}", kind["struct"])
    return found


def _unknown_names(group: str, name: str, entry: dict[str, Any]) -> list[str]:
    """Return a problem for each condition of a component on what is no field, or no trait."""
    needs = [*entry["requires"], *entry["provides"], *entry["conflicts"]]
    conditions = [need["when"] for need in needs] + [rule["must"] for rule in entry["rules"]]
    own = {"stage", *entry["fields"]}
    judged = [(text, own, "field") for text in conditions]
    judged += [(each.get("read_by", ""), _TRAITS, "trait") for each in entry["fields"].values()]
    judged += [(name, own, "field") for need in needs for name in _BRACES.findall(need["what"])]
    return [
        f"{group}={name}: '{asked.split('.')[0]}' in the condition '{condition}' is no {kind}"
        for condition, known, kind in judged
        if condition
        for asked in names_in(condition)
        if asked.split(".")[0] not in known
    ]


def keep_failed(found: Found, previous: dict[str, Any]) -> None:
    """Keep the earlier entries of modules that could not be imported this time."""
    for group, entries in previous.get("components", {}).items():
        for name, entry in entries.items():
            if entry["class"].split(":")[0] in found.failed_modules:
                found.components.setdefault(group, {})[name] = entry
                found.groups.setdefault(group, previous["groups"].get(group, {}).get("doc", ""))
    for name, entry in previous.get("learners", {}).items():
        if entry["class"].split(":")[0] in found.failed_modules:
            found.learners[name] = entry


def as_json(found: Found) -> dict[str, Any]:
    """Return the content of schema.json."""
    return {
        "groups": {group: {"doc": doc} for group, doc in found.groups.items()},
        "components": {
            group: {name: found.components[group][name] for name in sorted(found.components[group])}
            for group in sorted(found.components)
        },
        "learners": found.learners,
        "presets": found.presets,
    }


def planned_files(found: Found, folder: Path) -> dict[Path, str]:
    """Return path → content of every file that belongs to a package's folder."""
    files = {
        folder / "schema.json": json.dumps(as_json(found), indent=1, ensure_ascii=False) + "\n"
    }
    for group, entries in found.components.items():
        for name, entry in entries.items():
            path = folder / "conf" / group / f"{name}.yaml"
            files[path] = write_yaml.component_yaml(group, name, entry)
    return files


def stale_files(found: Found, folder: Path) -> list[Path]:
    """Return generated YAML whose component is gone."""
    stale = []
    groups = set(found.groups) | set(found.components)
    for group in sorted(groups):
        here = folder / "conf" / group
        for path in sorted(here.glob("*.yaml")) if here.is_dir() else []:
            known = path.stem in found.components.get(group, {})
            with path.open(encoding="utf-8") as file:
                first = file.readline()
            # A preset may have begun as a copy of a generated file: the module must be this file's.
            generated = first.startswith(write_yaml.MARK) and f".{path.stem} by " in first
            if generated and not known:
                stale.append(path)
    return stale


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def main(argv: list[str]) -> int:
    """Run `python -m etude.schema`; return 1 when a file differs (--check) or a module fails."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m etude.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, name what differs")
    parser.add_argument("--package", default="etude", help="a plug-in's package name")
    args = parser.parse_args(argv)
    sys.path.insert(0, str(Path.cwd()))
    found = collect(args.package)
    folder = Path(importlib.import_module(args.package).__path__[0])
    schema_path = folder / "schema.json"
    if schema_path.exists():
        keep_failed(found, json.loads(schema_path.read_text(encoding="utf-8")))
    files = planned_files(found, folder)
    stale = stale_files(found, folder)
    if args.package == "etude":
        from etude import entries
        from etude.config import component_pages, methods_page, root_yaml

        files[folder / "conf" / "etude.yaml"] = root_yaml.text()
        docs = folder.parent.parent / "docs"
        if docs.is_dir():  # a checkout; an installed package has no docs beside it
            known = entries.parse(as_json(found))
            recipes = folder / "conf" / "recipe"
            files[docs / "methods.md"] = methods_page.page(known, recipes)
            written = component_pages.pages(known, folder / "conf", root_yaml.text())
            files |= {docs / "components" / name: text for name, text in written.items()}
            stale += [path for path in (docs / "components").rglob("*.md") if path not in files]
    changed = [
        path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    for problem in found.problems:
        print(problem, file=sys.stderr)
    for path in changed:
        print(("differs  " if args.check else "wrote    ") + str(path))
        if not args.check:
            _write(path, files[path])
    for path in stale:
        print(("stale    " if args.check else "removed  ") + str(path))
        if not args.check:
            path.unlink()
    count = sum(len(entries) for entries in found.components.values())
    presets = sum(len(entries) for entries in found.presets.values())
    print(f"{count} components in {len(found.components)} groups, {presets} presets")
    if args.check and (changed or stale):
        print("run: python -m etude.schema" + _package_flag(args.package), file=sys.stderr)
    return 1 if found.problems or (args.check and (changed or stale)) else 0


def _package_flag(package: str) -> str:
    return "" if package == "etude" else f" --package {package}"
