"""What identifies a stage and an evaluation: everything that can change the result, nothing else.

A fingerprint is the first 16 hex digits of the SHA-256 of canonical JSON. docs/stages.md lists what
counts and what does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.plan.canonical import Canonicaliser, to_json
from etude.plan.digest import FileHashes, code_hashes
from etude.schema import ComponentInfo, Schema

#: Raised when the arithmetic shared by components, or a learner's loop, changes what is computed.
PRIMITIVES_VERSION = 1

#: Groups that never change what a stage computes (evaluation counts where it chooses the model).
_NEVER = frozenset({"tracker", "launcher", "execution", "evaluation", "recipe", "sources", "seed"})

#: Groups that every learner reads.
_ALWAYS = ("model", "objective", "training")

_STAGE_GROUPS = (
    *_ALWAYS,
    "models",
    "data_mix",
    "verifier",
    "reward_weighting",
    "curriculum",
    "rollout",
    "optimizer",
)

#: Keys of a data mix: the rows that are measured on, the form every row is given, and what a
#: demonstration says, which only adds a loss to an evaluation.
_HELD_OUT = "held_out"
_FORM = ("prompt_template", "system", "response_template")
DEMONSTRATION = "response_template"

#: What an evaluation reads when its component does not say: how to measure, judge and decode.
_EVALUATION_GROUPS = ("evaluation", "verifier", "rollout")


@dataclass(frozen=True)
class Inputs:
    """What a stage is given by others, as canonical values.

    ``start`` and ``rollout_from`` come from :func:`model_identity`; ``stages`` maps the stages
    whose data it reads to their fingerprints.
    """

    start: Any = "base"
    rollout_from: Any = None
    stages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """A stage's fingerprint, its lineage (without ``training.steps``) and its components."""

    fingerprint: str
    lineage: str
    components: tuple[ComponentInfo, ...]


def digest(document: Any) -> str:
    """Return the fingerprint of a canonical document: 16 hex digits."""
    return hashlib.sha256(to_json(document).encode()).hexdigest()[:16]


def model_identity(model: str | Path | None, hashes: FileHashes) -> Any:
    """Return what identifies a model: a stage's fingerprint, a folder's files, or ``base``."""
    if model is None:
        return "base"
    if isinstance(model, Path):
        return {"files": hashes.model(model)}
    return {"stage": model}


def sources_used(config: Mapping[str, Any], node: Any) -> list[str]:
    """Return the sources that ``node`` of a stage config mentions; all if it names none."""
    names = set(config.get("sources") or {})
    mentioned = sorted(names & _words(node))
    return mentioned or sorted(names)


def held_out_sources(config: Mapping[str, Any]) -> list[str]:
    """Return the sources whose rows an evaluation under a config measures on."""
    mix = config.get("data_mix") or {}
    return sources_used(config, mix.get(_HELD_OUT, mix))


def training_sources(config: Mapping[str, Any]) -> list[str]:
    """Return the sources whose rows a stage trains on."""
    return sources_used(config, _training_mix(config.get("data_mix")))


def _words(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*(_words(item) for item in value.values()), {str(key) for key in value})
    if isinstance(value, (list, tuple)):
        return set().union(*(_words(item) for item in value))
    return {value} if isinstance(value, str) else set()


def _sources(canon: Canonicaliser, config: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: canon.node(config["sources"][name], "sources") for name in names}


def identify_stage(
    config: Mapping[str, Any],
    learner: str,
    inputs: Inputs,
    *,
    schema: Schema,
    hashes: FileHashes,
) -> Identity:
    """Return what identifies a resolved stage config whose parents gave ``inputs``."""
    canon = Canonicaliser(schema, hashes, learner, inputs.stages)
    objective = config.get("objective") or {}
    info = schema.find("objective", str(objective.get("name")))
    reads = info.reads if info is not None else None
    groups = list(_STAGE_GROUPS if reads is None else dict.fromkeys((*_ALWAYS, *reads)))
    nodes = {**config, "data_mix": _training_mix(config.get("data_mix"))}
    document: dict[str, Any] = {
        "primitives": PRIMITIVES_VERSION,
        "learner": learner,
        "seed": int(config.get("seed", 0)),
        "start": inputs.start,
        "rollout_from": inputs.rollout_from,
        "groups": {
            group: canon.node(nodes.get(group), group) for group in groups if group not in _NEVER
        },
    }
    used = training_sources(config) if "data_mix" in document["groups"] else []
    document["sources"] = _sources(canon, config, used)
    training = document["groups"]["training"] or {}
    if training.get("hand_on") == "best":
        every = int((config.get("execution") or {}).get("evaluate_every", 0))
        document["chosen_by"] = {"measured": _evaluation(canon, config, schema), "every": every}
    document["code"] = code_hashes(canon.modules)
    without = {key: value for key, value in training.items() if key != "steps"}
    lineage = {**document, "groups": {**document["groups"], "training": without}}
    return Identity(digest(document), digest(lineage), tuple(canon.components.values()))


def _evaluation(canon: Canonicaliser, config: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return the canonical values of what an evaluation under this config reads."""
    node = config.get("evaluation") or {}
    info = schema.find("evaluation", str(node.get("name")))
    reads = info.reads if info is not None and info.reads is not None else _EVALUATION_GROUPS
    groups = [group for group in dict.fromkeys(("evaluation", *reads)) if group != "sources"]
    mix = config.get("data_mix") or {}
    document = {
        group: canon.node(config.get(group), group) for group in groups if group != "data_mix"
    }
    document["held_out"] = _held_out(canon, mix, schema)
    document["sources"] = _sources(canon, config, held_out_sources(config))
    return document


def _training_mix(mix: Any) -> Any:
    """Return a data mix without the held-out rows, where those cannot change what is trained on."""
    if not isinstance(mix, Mapping) or mix.get("overlap") == "remove":
        return mix
    return {**mix, _HELD_OUT: None}


def _held_out(canon: Canonicaliser, mix: Mapping[str, Any], schema: Schema) -> Any:
    """Return what evaluations read of a data mix: stages that train on other rows share it."""
    info = schema.find("data_mix", str(mix.get("name")))
    if info is None or _HELD_OUT not in info.fields:
        return canon.node(mix, "data_mix")
    canon.components["data_mix", info.name] = info
    return {
        key: canon.field(mix.get(key, described.default), described)
        for key, described in info.fields.items()
        if key in (_HELD_OUT, *_FORM)
    }


def evaluation_fingerprint(
    config: Mapping[str, Any],
    model: str | Path | None,
    *,
    schema: Schema,
    hashes: FileHashes,
    stages: Mapping[str, str] | None = None,
) -> str:
    """Return the fingerprint of measuring ``model`` under a resolved stage config.

    ``model`` is a stage's fingerprint, a folder or None for the base model. ``stages`` maps the
    stages whose rows are measured on to their fingerprints.
    """
    canon = Canonicaliser(schema, hashes, stages=stages)
    document = {
        "primitives": PRIMITIVES_VERSION,
        "model": model_identity(model, hashes),
        "loaded_as": canon.node(config.get("model"), "model"),
        "seed": int(config.get("seed", 0)),
        "measured": _evaluation(canon, config, schema),
    }
    document["code"] = code_hashes(canon.modules)
    return digest(document)
