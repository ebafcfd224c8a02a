"""Lists of parts in defaults lists (``shaping: [kl_penalty]``): each part under its own key.

A file of a part holds the part and nothing around it, so that it can fill a slot of one here and a
slot of several there. Where a list chooses files for a slot of several, each goes under the name of
its component: the list names *entries*, files that are on no disk and only say so in a defaults
list of their own. Hydra then composes, overrides and takes away each part like any other file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from etude.by_path.reference import is_reference

#: What the name of an entry begins with; no file can be chosen by such a name.
ENTRY = "+"


def entry(name: str) -> str:
    """Return the name of the entry that lays a choice under its component's name."""
    return ENTRY + without_slashes(name)


def without_slashes(name: str) -> str:
    """Return a choice as a defaults list names it: to Hydra a slash would be part of its place."""
    return name.replace("%", "%25").replace("/", "%2F")


def chosen_by(entry: str) -> str:
    """Return the choice that an entry, or a name without slashes, stands for."""
    return entry.removeprefix(ENTRY).replace("%2F", "/").replace("%25", "%")


def content_of(group: str, name: str, key: str) -> dict[str, Any]:
    """Return the content of an entry: the choice ``name`` of a group, under a key."""
    return {"defaults": [{f"/{group}@{key}": name}]}


def with_entries(content: Mapping[str, Any], group: str, lists: Collection[str]) -> dict[str, Any]:
    """Return a file's content in which lists of parts name entries.

    ``group`` is the file's own, ``lists`` are the groups of slots of several parts.
    """
    defaults = content.get("defaults")
    if not isinstance(defaults, list):
        return dict(content)
    return {**content, "defaults": [_with_entries(each, group, lists) for each in defaults]}


def _with_entries(item: Any, base: str, lists: Collection[str]) -> Any:
    if is_reference(item):
        return without_slashes(item)
    if isinstance(item, str):
        head, _, name = item.rpartition("/")
        return f"{head}/{entry(name)}" if _group(head, base) in lists and head else item
    if not isinstance(item, Mapping):
        return item
    return {key: _chosen(str(key), value, base, lists) for key, value in item.items()}


def _chosen(key: str, value: Any, base: str, lists: Collection[str]) -> Any:
    """Return what a defaults list chooses, as entries where the place is a slot of several."""
    head, _, package = key.split(" ")[-1].partition("@")
    group = _group(head, base)
    if group not in lists or value is None or (package and not is_whole(package, group)):
        return value
    names = value if isinstance(value, list) else [value]
    return [entry(str(name)) for name in names]


def is_whole(package: str, group: str) -> bool:
    """Tell whether a place is the slot of several parts itself, and no part's key in it."""
    return package.rpartition(".")[2] == group.rpartition("/")[2]


def as_typed(text: str) -> str:
    """Return a text about chosen files with entries as the choices they stand for."""
    return re.sub(rf"(?<=[\[,/]){re.escape(ENTRY)}", "", text)


def _group(written: str, base: str) -> str:
    """Return the whole group that a defaults list of a file of the group ``base`` means."""
    return written[1:] if written.startswith("/") else "/".join(filter(None, (base, written)))


def unwrapped(content: Mapping[str, Any], component: str) -> dict[str, Any]:
    """Return a part's content out of the key of its own name, if a file has it in one."""
    keys = [key for key in content if key != "defaults"]
    inner = content[keys[0]] if len(keys) == 1 else None
    if not isinstance(inner, Mapping) or (keys[0] != component and "name" not in inner):
        return dict(content)
    defaults = {"defaults": content["defaults"]} if "defaults" in content else {}
    return {**defaults, **inner}
