"""What the components of a stage require, provide and conflict with, and who would provide it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from etude.component import FIXED_SIZE, UNEQUAL_SIZES
from etude.config import evaluations
from etude.config.conditions import holds, names_in
from etude.config.overlay import STAGE_GROUPS
from etude.config.role_stages import mixes_of, with_objective
from etude.data_mix.template import names
from etude.entries import ENVIRONMENTS
from etude.schema import ComponentInfo, FieldInfo, LearnerInfo, NeedInfo, Schema
from etude.sources.interface import PARAMETRIC

#: Groups that every learner reads, and those that one reads when its objective does not say.
ALWAYS_READ = ("model", "objective", "training")
LEARNER_GROUPS = (
    *ALWAYS_READ,
    "models",
    "data_mix",
    "verifier",
    "reward_weighting",
    "curriculum",
    "rollout",
    *ENVIRONMENTS,
    "optimizer",
)

#: Groups that no learner reads; what they need concerns the run.
_OF_RUN = frozenset({"tracker", "evaluation"})

#: The groups that a stage's learner, its evaluation or the run may read; what other evaluations
#: read, each reads as its own view has it.
_OF_STAGE = tuple(group for group in STAGE_GROUPS if group != evaluations.GROUP)

#: What an evaluation reads when its component does not say.
EVALUATION_READS = ("verifier", "rollout", *ENVIRONMENTS)

#: Columns that every row has.
EVERY_ROW = frozenset({"id", "prompt"})

#: The model that samples in the place of the policy, which may change in time as a role may.
SAMPLER = "rollout.model_from"

#: Kinds whose names are words.
_WORDED = ("groups", "loss", "advantage")

_FIELD = re.compile(r"\{(\w+)\}")


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
    nodes, learner = read_nodes(config, schema), learner_of(config, schema)
    return [
        used for group, path, node in nodes for used in walk(node, group, path, schema, learner)
    ]


def learner_of(config: Mapping[str, Any], schema: Schema) -> LearnerInfo:
    """Return the learner of a stage, which its objective names."""
    objective = config.get("objective") or {}
    info = schema.find("objective", str(objective.get("name")))
    return schema.learner((info.learner or "") if info is not None else "")


def trained_roles(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the roles that a stage trains on rows of their own, by name.

    Those that have an objective; none where the stage's learner trains no roles.
    """
    found = with_objective(config)
    return found if found and learner_of(config, schema).trains_roles else []


def written_roles(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the trained roles that learn from rows which a component of the stage has them write.

    An episode that samples from a trained role declares it (``provides=["writes:{role}"]``); the
    others answer the prompts of the stage by themselves.
    """
    trained = trained_roles(config, schema)
    written = {
        need.what.removeprefix("writes:")
        for used in (used_by(config, schema) if trained else ())
        for need in active(used.info.provides, used)
        if need.what.startswith("writes:")
    }
    return [role for role in trained if role in written]


def read_nodes(
    config: Mapping[str, Any], schema: Schema, named: Set[str] | None = None
) -> Iterator[tuple[str, str, Any]]:
    """Yield (group, path, node) of what a stage's learner or evaluation reads, sources last.

    ``named`` are its :func:`sources_named`, where these are known already.
    """
    for group in read_groups(config, schema):
        yield group, group, config.get(group)
    sources = config.get("sources") or {}
    named = sources_named(config) if named is None else named
    for key in sorted(named or set(sources)):
        yield "sources", f"sources.{key}", sources[key]


def read_groups(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the groups that a stage's learner, its evaluation or the run reads."""
    objective = config.get("objective") or {}
    info = schema.find("objective", str(objective.get("name")))
    if info is None or info.reads is None:
        return list(_OF_STAGE)
    reads = {"objective", "model", "training", *_OF_RUN, *info.reads}
    if config.get("evaluation"):
        reads |= set(evaluation_reads(config, schema))
    return [group for group in _OF_STAGE if group in reads]


def trained_groups(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the groups that a stage's learner reads."""
    objective = config.get("objective") or {}
    info = schema.find("objective", str(objective.get("name")))
    reads = None if info is None else info.reads
    return list(LEARNER_GROUPS if reads is None else dict.fromkeys((*ALWAYS_READ, *reads)))


def evaluation_reads(config: Mapping[str, Any], schema: Schema) -> tuple[str, ...]:
    """Return the groups that a stage's evaluation reads beside its own."""
    node = config.get("evaluation") or {}
    info = schema.find("evaluation", str(node.get("name")))
    return info.reads if info is not None and info.reads is not None else EVALUATION_READS


def walk(
    node: Any, group: str, path: str, schema: Schema, learner: LearnerInfo | None = None
) -> Iterator[Used]:
    """Yield a node's component and those of its parts, of these only what a ``learner`` reads."""
    if not isinstance(node, Mapping):
        return
    info = schema.of(group, node)
    if info is None:
        return
    yield Used(info, node, path)
    for field in info.fields_in(node):
        if field.holds_parts and (learner is None or learner.reads(field)):
            value = node.get(field.name)
            yield from _inside(value, field, f"{path}.{field.name}", schema, learner)


def _inside(
    value: Any, field: FieldInfo, path: str, schema: Schema, learner: LearnerInfo | None
) -> Iterator[Used]:
    """Yield the components in a field's value: a part, parts by key, or those inside structs."""
    if field.slot:
        yield from walk(value, field.slot, path, schema, learner)
    elif isinstance(value, Mapping):
        fields = field.struct
        for key, item in value.items():
            below = fields.get(key) if fields is not None else field.entry(key)
            if below is not None and below.follows and value.get("objective") is not None:
                continue  # a stage within the stage (role_stages), whose components are its own
            if field.slots:
                yield from walk(item, field.slots, f"{path}.{key}", schema, learner)
            elif below is not None:
                yield from _inside(item, below, f"{path}.{key}", schema, learner)


def sources_named(node: Mapping[str, Any]) -> set[str]:
    """Return the sources that a stage's data mix names, as keys or as values."""
    known = set(node.get("sources") or {})
    return known & words_in([node.get("data_mix"), *mixes_of(node)])


def words_in(value: Any) -> set[str]:
    """Return every text of a tree, keys too."""
    if isinstance(value, Mapping):
        return set().union(
            *(words_in(item) for item in value.values()), {str(key) for key in value}
        )
    if isinstance(value, (list, tuple)):
        return set().union(*(words_in(item) for item in value))
    return {value} if isinstance(value, str) else set()


def active(needs: tuple[NeedInfo, ...], used: Used) -> list[NeedInfo]:
    """Return the needs whose condition holds for a component's node, its values filled in."""
    return [each for need in needs if holds(need.when, used.node) for each in _filled(need, used)]


def gives(used: Used, what: str) -> bool:
    """Return whether a component provides something as it is configured."""
    return any(need.what == what for need in active(used.info.provides, used))


def _filled(need: NeedInfo, used: Used) -> list[NeedInfo]:
    """Return a need with the component's values in the place of a field in braces.

    Where that field is a list there is a need for each of its values.
    """
    found = _FIELD.search(need.what)
    if found is None:
        return [need]
    value = used.node.get(found[1], used.info.fields[found[1]].default)
    each = value if isinstance(value, (list, tuple)) else [value]
    return [
        need_of
        for one in each
        for need_of in _filled(replace(need, what=need.what.replace(found[0], str(one), 1)), used)
    ]


def provided(config: Mapping[str, Any], used: list[Used], learner: str) -> dict[str, str]:
    """Return what a stage's components provide → who does; columns are :func:`columns_of`'s."""
    found: dict[str, str] = {f"learner:{learner}": f"learner {learner}"}
    trained = {f"sources.{key}" for key in sources_of(config, held_out=False)}
    for each in used:
        found[f"component:{each.info.group}={each.info.name}"] = each.title
        if each.info.group == "environment" and each.info.requires:
            found["environment:any"] = each.title
        for need in active(each.info.provides, each):
            if each.info.group == "sources" and (
                need.what.startswith("column:") or each.path not in trained
            ):
                continue  # rows that are only measured on provide nothing to train with
            found.setdefault(need.what, each.title)
    if UNEQUAL_SIZES not in found:
        found[FIXED_SIZE] = "training"
    for name, seen in evaluations.views(config).items():
        if evaluations.measures(seen):
            found[f"evaluation:{name}"] = f"the evaluation {name}"
    if (config.get("rollout") or {}).get("model_from"):
        found[f"model:{SAMPLER}"] = SAMPLER
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
    if "messages" in columns:  # a conversation gives its last answer and its system text, too
        columns |= {"solution", "system"}
    for need in active(used.info.provides, used):
        if need.what.startswith("column:"):
            columns.add(need.what.partition(":")[2])
    return columns


def sources_of(config: Mapping[str, Any], *, held_out: bool) -> set[str]:
    """Return the sources that a mix trains on or holds out; of another kind of mix all it names."""
    parts = (config.get("data_mix") or {}).get("held_out" if held_out else "train")
    if not isinstance(parts, Mapping):
        return sources_named(config)
    return {_source(key, part) for key, part in parts.items()}


def _source(key: Any, part: Any) -> str:
    """Return the source of a part of a mix: the one that it names, or its own key."""
    return str((part.get("source") if isinstance(part, Mapping) else None) or key)


def makers(config: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the parts of ``data_mix.train`` whose sources make rows on demand."""
    sources, parts = config.get("sources") or {}, (config.get("data_mix") or {}).get("train") or {}
    return [
        str(name)
        for name, part in parts.items()
        for used in walk(sources.get(_source(name, part)), "sources", "", schema)
        if gives(used, PARAMETRIC)
    ]


def columns_of(config: Mapping[str, Any], schema: Schema, held_out: bool) -> dict[str, set[str]]:
    """Return source → its columns, of the sources a mix trains on or holds out."""
    mix = config.get("data_mix") or {}
    found: dict[str, set[str]] = {}
    for key in sorted(sources_of(config, held_out=held_out)):
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
        key: set(names(value))
        for key, value in mix.items()
        if key.endswith("_template") and isinstance(value, str)
    }


def conditions_of(what: str, used: list[Used]) -> list[str]:
    """Return what must hold for a stage's components to provide something, with whole keys."""
    found = []
    for each in used:
        for need in each.info.provides:
            if need.what == what and need.when:
                condition = need.when
                for name in dict.fromkeys(names_in(need.when)):
                    condition = re.sub(rf"\b{re.escape(name)}\b", f"{each.path}.{name}", condition)
                found.append(condition)
    return found


def content_with(used: Used, has: Mapping[str, str], schema: Schema) -> list[str]:
    """Return the other components of a part's group that need nothing but what there is."""
    return [
        name
        for name, info in schema.components.get(used.info.group, {}).items()
        if name != used.info.name and all(need.what in has for need in info.requires)
    ]


def providers(what: str, schema: Schema) -> list[str]:
    """Return what is typed to choose a component that provides something."""
    found = []
    for group, entries in schema.components.items():
        for name, info in entries.items():
            if any(need.what == what for need in info.provides):
                rows = f"data_mix.train.{name}.split=train"
                found.append(rows if group == "sources" else f"{group}={name}")
    return found
