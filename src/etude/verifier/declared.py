"""The parts that a built verifier declares, those of what it wraps included."""

from __future__ import annotations

import dataclasses
from typing import Any

from etude.built import components
from etude.config.conditions import holds
from etude.config.declared_parts import KIND, THOUGHT


def parts_of(verifier: Any) -> tuple[str, ...] | None:
    """Return the names of the parts in order of the alphabet, None where only judging tells.

    They are those of ``config.declared_parts``, which knows them before anything is built.
    """
    inside = list(components(verifier, ""))
    found: set[str] = set()
    for path, each in inside:
        needs = each.declaration.provides if hasattr(each, "declaration") else ()
        values = {field.name: getattr(each, field.name) for field in dataclasses.fields(each)}
        own = {
            need.what.removeprefix(KIND)
            for need in needs
            if need.what.startswith(KIND) and holds(need.when, values)
        }
        if not own - {THOUGHT} and not any(other.startswith(f"{path}.") for other, _ in inside):
            return None
        found |= own
    return tuple(sorted(found))
