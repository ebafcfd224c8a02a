"""Short forms in files (``models: {judge: sft}``) written out, so that more can be laid beside.

Hydra lays a chosen file (``models.judge.model=small``) into the mapping that an entry is; into a
text it could lay nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etude.schema import Schema


def written_out(content: Mapping[str, Any], group: str, schema: Schema) -> dict[str, Any]:
    """Return the content of a file of a group, or of a recipe, with entries as mappings."""
    shorts = {
        name: info.entries.short
        for name, known in schema.components.items()
        for info in known.values()
        if info.entries is not None and info.entries.short
    }
    if group != "recipe":
        return _entries(content, shorts[group]) if group in shorts else dict(content)
    root = _nodes(content, shorts)
    stages = root.get("stages")
    if isinstance(stages, Mapping):
        root["stages"] = {
            name: _nodes(stage, shorts) if isinstance(stage, Mapping) else stage
            for name, stage in stages.items()
        }
    return root


def _nodes(root: Mapping[str, Any], shorts: Mapping[str, str]) -> dict[str, Any]:
    return {
        key: _entries(node, shorts[key]) if key in shorts and isinstance(node, Mapping) else node
        for key, node in root.items()
    }


def _entries(node: Mapping[str, Any], short: str) -> dict[str, Any]:
    return {
        key: {short: value} if isinstance(value, str) and key not in ("name", "defaults") else value
        for key, value in node.items()
    }
