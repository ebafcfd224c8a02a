"""Presets: files that choose parts and values of a component, described for schema.json.

A preset is one YAML file: its head comment says the method in a sentence and gives the source, its
defaults begin with the component (or another preset) that it chooses parts of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etude.config.read_yaml import head, read_yaml
from etude.config.reflect import first_sentence
from etude.config.write_yaml import is_generated

_OVERRIDE = "override "


def presets_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return name → entry of the presets in a group's folder of ``conf/``."""
    found = {}
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        content = read_yaml(path)
        base = derived_from(content)
        if base is not None and "name" not in content and not is_generated(path):
            found[path.stem] = _entry(path, content, base)
    return found


def derived_from(content: Mapping[str, Any]) -> str | None:
    """Return the choice of the same group that a file's defaults begin with."""
    for entry in content.get("defaults") or []:
        if isinstance(entry, str) and entry != "_self_" and not entry.startswith("/"):
            return entry
    return None


def _entry(path: Path, content: Mapping[str, Any], base: str) -> dict[str, Any]:
    said = head(path)
    entry: dict[str, Any] = {
        "of": base,
        "doc": first_sentence(said.prose),
        "source": said.source,
        "values": {**_chosen(content), **_own(content)},
    }
    if said.requires:
        entry["requires"] = [_need(text) for text in said.requires]
    if said.example:
        entry["example"] = said.example
    return entry


def _chosen(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return slot → choice of the slots of the component that a file fills anew."""
    return {
        str(key).removeprefix(_OVERRIDE).strip(): value
        for entry in content["defaults"]
        if isinstance(entry, Mapping)
        for key, value in entry.items()
        if str(key).startswith(_OVERRIDE) and "/" not in str(key)
    }


def _own(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != "defaults"}


def _need(text: str) -> dict[str, str]:
    """Return the need of a line ``column:critique, which is what it learns``."""
    what, _, why = text.partition(",")
    return {"what": what.strip(), "when": "", "why": why.strip()}
