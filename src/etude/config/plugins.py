"""Packages that add components, found by their entry point without importing them.

A plug-in's distribution has an entry point of the group ``etude.components`` whose value is the
name of a package. The package's folder may hold ``conf/``, ``recipes/`` and ``launchers/`` and the
``schema.json`` that ``python -m etude.schema --package NAME`` writes; without that file the package
is imported to learn the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from etude.entries import Schema, parse

ENTRY_POINT_GROUP = "etude.components"


@dataclass(frozen=True)
class Plugin:
    """A package that adds components; ``broken`` says why it could not be loaded."""

    name: str
    package: str
    folder: Path | None
    schema: Schema
    broken: str | None = None


NOTHING = Schema({}, {})


def discover() -> list[Plugin]:
    """Return every installed plug-in by name, the broken ones too."""
    found = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    return [_load(found[name]) for name in sorted(found)]


def _load(point: EntryPoint) -> Plugin:
    package = point.module
    folder = package_folder(package)
    if folder is None:
        reason = f"there is no package '{package}'"
        return Plugin(point.name, package, None, NOTHING, reason)
    written = folder / "schema.json"
    if written.is_file():
        try:
            content = json.loads(written.read_text(encoding="utf-8"))
            return Plugin(point.name, package, folder, parse(content, package))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{written} cannot be read ({type(error).__name__}: {error})"
            return Plugin(point.name, package, folder, NOTHING, reason)
    return _imported(point.name, package, folder)


def package_folder(package: str) -> Path | None:
    """Return the folder of a package; a top-level package is not imported for it."""
    try:
        # Not PathFinder's alone: some editable installs are found by a finder of their own.
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _imported(name: str, package: str, folder: Path) -> Plugin:
    """Return a plug-in without schema.json, described by importing it."""
    from etude.config.generate import as_json, collect

    try:
        found = collect(package)
    except Exception as error:  # whatever a plug-in raises is the reason that is shown
        return Plugin(name, package, folder, NOTHING, f"{type(error).__name__}: {error}")
    schema = parse(as_json(found), package)
    return Plugin(name, package, folder, schema, found.problems[0] if found.problems else None)
