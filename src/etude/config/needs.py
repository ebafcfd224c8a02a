"""What the components of a stage require, provide and conflict with, and who would provide it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etude.config.conditions import holds
from etude.config.effect import sources_named
from etude.config.overlay import STAGE_GROUPS
from etude.schema import ComponentInfo, NeedInfo, Schema

#: Groups that no learner reads; what they need concerns the run.
_OF_RUN = frozenset({"tracker", "evaluation"})

#: What an evaluation reads when its component does not say.
EVALUATION_READS = ("verifier", "rollout")

#: Columns that every row has.
EVERY_ROW = frozenset({"id", "prompt"})

_TEMPLATE = re.compile(r"\{([A-Za-z_]\w*)\}")

_SAID = {
    "column": "the data column '{}'",
    "model": "the model '{}'",
    "row": "the row field '{}'",
    "part": "the verifier's part '{}'",
    "statistic": "the token statistic '{}'",
    "learner": "a {} stage",
    "component": "{}",
    "loss": "a policy loss that is {}",
    "groups": "{} groups",
}


@dataclass(frozen=True)
class Used:
    """A component that a stage uses: its node, where it lies, and who reads it."""

    info: ComponentInfo
    node: Mapping[str, Any]
    path: str

    @property
    def title(self) -> str:
        """Return the component as a person would name it."""
        return f"{self.info.group} {self.info.name}"


def used_by(config: Mapping[str, Any], schema: Schema) -> list[Used]:
    """Return every component that a stage's learner or evaluation reads, parts included."""
    found: list[Used] = []
    for group in read_groups(config, schema):
        found += walk(config.get(group), group, group, schema)
    named = sources_named(config) or set(config.get("sources") or {})
    for key in sorted(named):
        found += walk(config["sources"][key], "sources", f"sources.{key}", schema)
    return found


def read_groups(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the groups that a stage's learner, its evaluation or the run reads."""
    objective = config.get("objective") or {}
    info = schema.find("objective", str(objective.get("name")))
    if info is None or info.reads is None:
        return list(STAGE_GROUPS)
    reads = {"objective", "model", "training", *_OF_RUN, *info.reads}
    if config.get("evaluation"):
        reads |= set(evaluation_reads(config, schema))
    return [group for group in STAGE_GROUPS if group in reads]


def evaluation_reads(config: Mapping[str, Any], schema: Schema) -> tuple[str, ...]:
    """Return the groups that a stage's evaluation reads beside its own."""
    node = config.get("evaluation") or {}
    info = schema.find("evaluation", str(node.get("name")))
    return info.reads if info is not None and info.reads is not None else EVALUATION_READS


def walk(node: Any, group: str, path: str, schema: Schema) -> Iterator[Used]:
    """Yield a node's component and those of its parts."""
    if not isinstance(node, Mapping):
        return
    info = schema.find(group, str(node.get("name")))
    if info is None:
        return
    yield Used(info, node, path)
    for key, field in info.fields.items():
        if field.slot:
            yield from walk(node.get(key), field.slot, f"{path}.{key}", schema)
        elif parts := field.slots or field.dict_of:
            for name, part in (node.get(key) or {}).items():
                yield from walk(part, parts, f"{path}.{key}.{name}", schema)


def active(needs: tuple[NeedInfo, ...], used: Used) -> list[NeedInfo]:
    """Return the needs whose condition holds for a component's node."""
    return [need for need in needs if holds(need.when, used.node)]


def said(what: str) -> str:
    """Return a requirement in words."""
    kind, _, name = what.partition(":")
    return (
        _SAID.get(kind, "{}").format(name.replace("_", " ") if kind in ("groups", "loss") else name)
        or what
    )


def provided(config: Mapping[str, Any], used: list[Used], learner: str) -> dict[str, str]:
    """Return what a stage's components provide → who does; columns are :func:`columns_of`'s."""
    found: dict[str, str] = {f"learner:{learner}": f"learner {learner}"}
    for each in used:
        found[f"component:{each.info.group}={each.info.name}"] = each.title
        for need in active(each.info.provides, each):
            if need.what.startswith("column:") and each.info.group == "sources":
                continue
            found.setdefault(need.what, each.title)
    models = config.get("models") or {}
    for role, node in models.items():
        if role != "name" and node is not None and node is not False:
            found.setdefault(f"model:{role}", f"models.{role}")
    return found


def source_columns(used: Used) -> set[str]:
    """Return the columns of a source's rows under the names recipes use; ``*`` for any."""
    mapping = used.node.get("columns")
    columns = set(EVERY_ROW)
    if isinstance(mapping, Mapping):
        columns |= {str(key) for key, value in mapping.items() if value is not None}
    for need in active(used.info.provides, used):
        if need.what.startswith("column:"):
            columns.add(need.what.partition(":")[2])
    return columns


def columns_of(config: Mapping[str, Any], schema: Schema, held_out: bool) -> dict[str, set[str]]:
    """Return source → its columns, of the sources a mix trains on or holds out."""
    mix = config.get("data_mix") or {}
    parts = mix.get("held_out" if held_out else "train")
    named: set[str] = set()
    for key, part in parts.items() if isinstance(parts, Mapping) else []:
        source = part.get("source") if isinstance(part, Mapping) else None
        named.add(str(source or key))
    if not isinstance(parts, Mapping):
        named = sources_named(config)
    found: dict[str, set[str]] = {}
    for key in sorted(named):
        node = (config.get("sources") or {}).get(key)
        for used in walk(node, "sources", f"sources.{key}", schema):
            found.setdefault(key, source_columns(used))
    if not held_out and mix.get("demonstrations"):  # their solutions stand in for the rows' own
        found = {key: columns | {"solution"} for key, columns in found.items()}
    return found


def template_columns(config: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return template key of the data mix → the columns its text names."""
    mix = config.get("data_mix") or {}
    return {
        key: set(_TEMPLATE.findall(value))
        for key, value in mix.items()
        if key.endswith("_template") and isinstance(value, str)
    }


def providers(what: str, schema: Schema) -> list[str]:
    """Return the choices (``group=name``) whose component provides something."""
    found = []
    for group, entries in schema.components.items():
        for name, info in entries.items():
            if group != "sources" and any(need.what == what for need in info.provides):
                found.append(f"{group}={name}")
    return found
