"""Which file a key stands in that nobody typed: a fault of a recipe is to be mended there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from etude.by_path.reference import is_reference
from etude.config.installation import Choice, Installation
from etude.config.read_presets import derived_from
from etude.config.read_yaml import read_yaml
from etude.config.write_yaml import is_generated
from etude.errors import Fault


def with_files(
    faults: Iterable[Fault],
    typed: Iterable[str],
    choices: Mapping[str, Any],
    installation: Installation,
) -> list[Fault]:
    """Return faults that name the file which writes their key, unless it was typed.

    ``choices`` maps ``group`` or ``group@package`` to the chosen file.
    """
    keys = {text.lstrip("+~").partition("=")[0] for text in typed}
    found = []
    for fault in faults:
        path = None if fault.typed in keys else stands_in(fault.typed, choices, installation)
        said, line, ways = fault.message.partition("\n")
        where = "" if path is None else f" It stands in {path}"
        found.append(replace(fault, message=f"{said}{where}{line}{ways}"))
    return found


def stands_in(path: str, choices: Mapping[str, Any], installation: Installation) -> Path | None:
    """Return the chosen file that writes a key path, the recipe before others; None where none."""
    parts = path.split(".")
    for group, name in sorted(choices.items(), key=lambda item: item[0] != "recipe"):
        group, _, package = group.partition("@")
        place = [] if group == "recipe" else (package or group).replace("/", ".").split(".")
        if parts[: len(place)] != place or len(parts) == len(place):
            continue
        for choice in _with_bases(group, str(name), installation):
            # A person's file may have begun as a copy of a generated one.
            written = choice.origin.user or not is_generated(choice.path)
            if written and _holds(read_yaml(choice.path), parts[len(place) :]):
                return choice.path
    return None


def _with_bases(group: str, name: str, installation: Installation) -> Iterator[Choice]:
    """Yield a choice, and those of its group that its file derives from; a place has no YAML."""
    if is_reference(name):
        return
    seen: set[str] = set()
    while name not in seen and (choice := installation.choice(group, name)) is not None:
        seen.add(name)
        yield choice
        name = derived_from(read_yaml(choice.path)) or name


def _holds(content: Any, parts: list[str]) -> bool:
    for part in parts:
        if not isinstance(content, Mapping) or part not in content:
            return False
        content = content[part]
    return True
