"""The parts that a built verifier declares, those of what it wraps included."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from etude.built import components
from etude.config.conditions import holds
from etude.config.declared_parts import KIND, THOUGHT
from etude.verifier.readable import Readable


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
            name
            for need in needs
            if need.what.startswith(KIND) and holds(need.when, values)
            for name in _filled(need.what.removeprefix(KIND), values)
        }
        wraps = any(other.startswith(f"{path}.") for other, _ in inside)
        if isinstance(each, Readable) and not own - {THOUGHT} and not wraps:
            return None
        found |= own
    return tuple(sorted(found))


def _filled(name: str, values: dict[str, Any]) -> list[str]:
    """Return the parts that a name stands for: one for each value of the field in its braces."""
    found = re.search(r"\{(\w+)\}", name)
    if found is None:
        return [name]
    value = values[found[1]]
    each = value if isinstance(value, (list, tuple)) else [value]
    return [name.replace(found[0], str(one)) for one in each]
