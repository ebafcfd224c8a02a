"""Dotted paths of keys (``training.steps``) in nested mappings."""

from __future__ import annotations

from collections.abc import Mapping


def at(root: object, path: str) -> object:
    """Return the value at a dotted path of nested mappings, or None."""
    node = root
    for part in path.split(".") if path else []:
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def choosing(place: str, group: str) -> str:
    """Return what is typed before ``=`` to choose a file of a group for a place of the root."""
    return group if place == group.replace("/", ".") else place
