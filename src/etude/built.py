"""A built component with all of its parts, each by the config path it has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from etude.config.conditions import holds


def components(component: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (config path, component) of a built component and of all its parts."""
    yield path, component
    yield from _inside(component, path)


def roles_of(component: Any) -> tuple[str, ...]:
    """Return the roles whose models a built component and its parts ask for, as they declare."""
    kind, found = "model:", []
    for _, each in components(component, ""):
        for need in each.declaration.requires:
            if need.what.startswith(kind) and holds(need.when, vars(each)):
                found.append(need.what.removeprefix(kind).format_map(vars(each)))
    return tuple(dict.fromkeys(found))


def _inside(holder: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not dataclasses.is_dataclass(holder):
        return
    for field in dataclasses.fields(holder):
        value = getattr(holder, field.name)
        # The entries of a component are keys of its own node.
        below = path if field.metadata.get("entries") else f"{path}.{field.name}"
        for place, each in _each(value, below):
            if hasattr(each, "declaration"):
                yield from components(each, place)
            else:
                yield from _inside(each, place)


def _each(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield f"{path}.{key}", value[key]
    else:
        yield path, value
