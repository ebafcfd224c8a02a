"""The parts of reward that a verifier gives, as it declares them: known when a config is composed.

A verifier declares a part as it declares whatever it provides (``part:accuracy``, also under a
condition on its options), and so does a part of it of its own sub-groups. One that wraps others
gives their parts beside its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from typing import Any

from etude.config.needs import Used, active, walk
from etude.environment.interface import PARTS
from etude.schema import Schema

KIND = "part:"

#: The part that every verifier can give, so that it alone tells nothing of the others.
THOUGHT = "thought"


def parts_of(node: Mapping[str, Any] | None, schema: Schema) -> frozenset[str] | None:
    """Return the parts that the verifier of a node gives, None where only calling it tells."""
    return declared(walk(node, "verifier", "verifier", schema))


def declared(used: Iterable[Used], path: str = "verifier") -> frozenset[str] | None:
    """Return the parts of the verifier at a path, among the components that a stage uses.

    None stands for unknown: neither it nor what it wraps declares any, or something inside does
    not say.
    """
    used = list(used)
    found = {
        each.path: each
        for each in used
        if f"{each.info.group}/".startswith("verifier/") and f"{each.path}.".startswith(f"{path}.")
    }
    given: set[str] = set()
    for each in found.values():
        own = _own(each)
        if any(need.what == PARTS for need in active(each.info.provides, each)):
            theirs = [_own(one) for one in environments(used)]
            if not all(theirs):
                return None
            own = own.union(*theirs)
        if each.info.group == "verifier" and not _is_told(each.path, own, found):
            return None
        given |= own
    return frozenset(given) or None


def environments(used: Iterable[Used]) -> list[Used]:
    """Return the environments among the components that a stage uses."""
    return [each for each in used if each.info.group == "environment" and each.info.requires]


def _own(used: Used) -> set[str]:
    needs = active(used.info.provides, used)
    return {need.what.removeprefix(KIND) for need in needs if need.what.startswith(KIND)}


def _is_told(path: str, own: Set[str], others: Collection[str]) -> bool:
    """Tell whether a verifier says which parts are its own; one that wraps others may have none."""
    return bool(own - {THOUGHT}) or any(other.startswith(f"{path}.") for other in others)
