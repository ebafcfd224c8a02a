"""The root and its stages as recipes write them: no key that nothing reads, every setting typed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from etude.component import GROUPS
from etude.config.conform import Conformer
from etude.config.overlay import STAGE_GROUPS, overlays_of
from etude.config.settings import STAGE_ROOT_KEYS
from etude.config.spelling import (
    WHOLE,
    did_you_mean,
    listed,
    root_fields,
    stage_fields,
    unknown_key,
)
from etude.errors import ConfigError, Fault
from etude.plan.references import RESERVED
from etude.schema import Schema

_FOLDER = re.compile(r"[A-Za-z0-9][\w.-]*")


def check_root(root: Mapping[str, Any], schema: Schema, *, evaluate: bool = False) -> None:
    """Refuse keys that are neither settings nor groups, and settings of a wrong type.

    Groups are judged stage by stage. Raises ConfigError with every fault.
    """
    plain = root_fields(evaluate)
    conformer = Conformer(schema, root)
    faults: list[tuple[str, str]] = []
    known = [*plain, *GROUPS]
    for key in root:
        if key not in known:
            faults.append((str(key), unknown_key(str(key), WHOLE, known, schema, root)))
    for key, described in plain.items():
        # An interpolation means a stage's own value, so stages are judged when it is replaced.
        if key not in ("execution", "stages") and key in root:
            conformer.field(root, described, key)
    stages = root.get("stages") or {}
    if not isinstance(stages, Mapping):
        faults.append(("stages", "holds stages by name (stages: {rl: {training: {steps: 10}}})."))
        stages = {}
    for stage, over in stages.items():
        faults += _stage(str(stage), over, conformer, schema, root)
    faults += [*_names(root), *_fresh(root), *conformer.faults]
    if faults:
        raise ConfigError([Fault(path, message) for path, message in faults])


def _names(root: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a fault for each name that cannot be a folder's."""
    for path, name in [
        ("name", root.get("name")),
        *((f"stages.{s}", s) for s in overlays_of(root)),
    ]:
        if name is not None and not _FOLDER.fullmatch(str(name)):
            yield path, f"'{name}' is no name for a folder; use letters, digits, '.', '_' and '-'."
    for stage in overlays_of(root):
        if stage in RESERVED:
            yield f"stages.{stage}", f"no stage is called '{stage}': references mean more by it."
        elif "." in stage:
            message = f"'{stage}' has a dot, which parts a stage from its output; use '_' or '-'."
            yield f"stages.{stage}", message


def _fresh(root: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield a fault for each stage to be retrained that is not there."""
    fresh = root.get("fresh")
    known = overlays_of(root)
    for name in fresh if isinstance(fresh, list) else []:
        # A copy of a repeated stage is called <stage>-<number>.
        if name not in known and str(name).rpartition("-")[0] not in known:
            near = did_you_mean(str(name), known) or f" There is {listed(known)}."
            yield "fresh", f"there is no stage '{name}'.{near}"


def _stage(
    stage: str, over: Any, conformer: Conformer, schema: Schema, root: Mapping[str, Any]
) -> list[tuple[str, str]]:
    head = f"stages.{stage}"
    if over is None:
        return []
    if not isinstance(over, Mapping):
        return [(head, "holds keys and values (stages: {NAME: {training: {steps: 10}}}).")]
    own = stage_fields()
    known = [*own, *STAGE_GROUPS, *sorted(STAGE_ROOT_KEYS)]
    faults = []
    for key in over:
        if key not in known:
            message = unknown_key(str(key), "a stage", known, schema, root)
            faults.append((f"{head}.{key}", message))
    for key, described in own.items():
        if over.get(key) is not None:
            conformer.field(over, described, f"{head}.{key}")
    return faults
