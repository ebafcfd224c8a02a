"""What can be configured, known without importing any of it: groups, components, fields, needs.

``python -m etude.schema`` writes schema.json and the YAML of every component from the code;
:func:`load` reads schema.json, with the plug-ins' laid beside it, in milliseconds.
"""

from __future__ import annotations

from etude.entries import (
    ComponentInfo,
    LearnerInfo,
    NeedInfo,
    PresetInfo,
    RuleInfo,
    Schema,
    built_in,
    parse,
)
from etude.fields import FieldInfo, structs

__all__ = [
    "ComponentInfo",
    "FieldInfo",
    "LearnerInfo",
    "NeedInfo",
    "PresetInfo",
    "RuleInfo",
    "Schema",
    "built_in",
    "load",
    "parse",
    "structs",
]


def load() -> Schema:
    """Return the schema of etude and of every installed plug-in."""
    from etude.config.installation import installed

    return installed().schema


if __name__ == "__main__":
    import sys

    from etude.config.generate import main

    sys.exit(main(sys.argv[1:]))
