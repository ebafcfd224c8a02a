"""Nodes of etude's own files as a command line composes them, without stages or judgement."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from etude import component
from etude.config.front_check import FrontCheck
from etude.config.installation import make
from etude.schema import built_in

_FRONT = FrontCheck(make(built_in(), Path(component.__file__).parent, [], None))


@cache
def composed_node(group: str, *overrides: str) -> Any:
    """Return the root's node of a group, its interpolations resolved; nothing may change it."""
    report = _FRONT.run(overrides)
    wrong = [fault for fault in report.faults if "changes no stage" not in fault.message]
    assert not wrong, wrong
    (member,) = report.members
    return OmegaConf.to_container(OmegaConf.create(member.root), resolve=True)[group]
