"""Files whose defaults lists lead back to themselves: named before anyone waits for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from etude.config.installation import Choice, Installation
from etude.config.read_yaml import read_yaml
from etude.errors import Fault


def circle(installation: Installation, chosen: Iterable[tuple[str, str]]) -> Fault | None:
    """Return the fault of a circle that the primary config or (group, name) choices lead into."""
    path: list[Choice] = []
    done: set[Path] = set()

    def visit(group: str, name: str) -> list[Choice]:
        found = installation.choice(group, name)
        if found is None or found.path in done:
            return []
        places = [each.path for each in path]
        if found.path in places:
            return [*path[places.index(found.path) :], found]
        path.append(found)
        for inner_group, inner in _merged(read_yaml(found.path), group):
            if round_ := visit(inner_group, inner):
                return round_
        done.add(path.pop().path)
        return []

    for group, name in [*chosen, *_merged(read_yaml(installation.primary), "")]:
        if round_ := visit(group, name):
            return _fault(round_)
    return None


def _fault(round_: list[Choice]) -> Fault:
    names = " → ".join(f"{each.group}={each.name}" for each in round_)
    alone = " A file cannot begin with the one that it hides; give it another name."
    message = f"its defaults lead back to itself: {names}.{alone if len(round_) == 2 else ''}"
    return Fault(str(round_[0].path), message)


def _merged(content: Mapping[str, Any], group: str) -> Iterator[tuple[str, str]]:
    """Yield (group, name) of the files that a file's defaults list merges or chooses."""
    entries = content.get("defaults")
    for entry in entries if isinstance(entries, list) else []:
        for key, value in entry.items() if isinstance(entry, Mapping) else [("", entry)]:
            words = str(key).partition("@")[0].split()
            inner = words[-1] if words else ""
            place = inner[1:] if inner.startswith("/") else "/".join(filter(None, (group, inner)))
            for name in value if isinstance(value, list) else [value]:
                if name not in (None, "_self_"):
                    yield place, str(name)
