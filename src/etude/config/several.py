"""A list for a whole group: ``tracker=[wandb,tensorboard]`` as the choices that it stands for.

A group has such lists where one of its components, ``several``, holds any number of the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from etude.schema import Schema

#: The component of a group that holds others of it.
HOLDER = "several"

_LIST = re.compile(r"(?P<group>[a-z_]+)=\[(?P<names>[^\[\]{}'\"$]*)\]")


def spread(overrides: Sequence[str], schema: Schema) -> list[str]:
    """Return overrides with each such list as its holder and a choice under each name."""
    return [text for each in overrides for text in _spread(each, schema)]


def _spread(text: str, schema: Schema) -> list[str]:
    found = _LIST.fullmatch(text)
    place = _place(found["group"], schema) if found is not None else ""
    if found is None or not place:
        return [text]
    names = [name.strip() for name in found["names"].split(",") if name.strip()]
    inner = [f"{place}.{re.sub(r'[^A-Za-z0-9_]', '_', name)}={name}" for name in names]
    return [f"{found['group']}={HOLDER}", *inner]


def _place(group: str, schema: Schema) -> str:
    """Return where the holder of a group keeps the others; empty where the group has none."""
    holder = schema.components.get(group, {}).get(HOLDER)
    fields = holder.fields if holder is not None else {}
    return next((f"{group}.{key}" for key, each in fields.items() if each.slots == group), "")
