"""What a chosen environment brings with it: an episode that plays it, its parts, rows for it.

They are choices as if typed behind ``environment=NAME``, where neither the command nor its recipe
chose others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etude.config.given import Given
from etude.config.root_yaml import DEFAULTS
from etude.entries import Schema
from etude.environment.interface import OWN_ROWS

#: Group → what an environment brings there; the last only one that makes its problems itself.
_BRINGS = {"rollout/episode": "environment", "verifier": "environment", "data_mix": "episodes"}

#: What stands in a place where nobody chose.
_UNCHOSEN = {**DEFAULTS, "rollout/episode": "single"}


def implied(given: Sequence[Given], choices: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return what is chosen with an environment; ``choices`` are those of the composed root."""
    chosen = [each for each in given if each.kind == "choice" and each.package == "environment"]
    info = schema.find("environment", str(chosen[-1].value)) if chosen else None
    if info is None or not info.requires:
        return []
    typed = {each.package or each.path for each in given if each.group}
    own_rows = any(need.what == OWN_ROWS for need in info.requires)
    return [
        f"{group}={name}"
        for group, name in _BRINGS.items()
        if group.replace("/", ".") not in typed
        and choices.get(group) == _UNCHOSEN[group]
        and (own_rows or group != "data_mix")
    ]
