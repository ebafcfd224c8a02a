"""A composed root → the stages of its pipeline, each with its whole typed config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from etude.config.conform import Conformer
from etude.config.overlay import STAGE_GROUPS, lay_over, overlays_of
from etude.config.pipeline import Step, expand
from etude.config.settings import STAGE_EXTRAS
from etude.config.spelling import root_fields, stage_fields
from etude.config.values import is_interpolation
from etude.errors import ConfigError, Fault
from etude.schema import FieldInfo, Schema, load

#: What `debug=true` leaves of a stage.
DEBUG_STEPS = 2
DEBUG_PROBLEMS = 8


class MemberLike(Protocol):
    """A composed command: see :class:`etude.config.compose.Member`."""

    @property
    def root(self) -> dict[str, Any]:
        """Return the composed root."""

    @property
    def choices(self) -> dict[str, Any]:
        """Return the chosen files by group."""


@dataclass(frozen=True)
class StageConfig:
    """One stage of a run: its whole config, and what it waits for and starts from.

    ``start_from`` is ``base``, the name of a stage, a path, or None for the predecessor.
    """

    name: str
    config: dict[str, Any]
    learner: str
    after: tuple[str, ...]
    start_from: str | None
    gate: dict[str, Any] | None
    resources: dict[str, Any]
    overlay: str = ""

    @property
    def written_as(self) -> str:
        """Return the stage's name in `stages.` (a copy of a repeated stage has another name)."""
        return self.overlay or self.name


def stages(member: MemberLike, schema: Schema | None = None) -> list[StageConfig]:
    """Return the stages of a member's pipeline in order, each config complete and resolved.

    Raises ConfigError for a pipeline that makes no sense; whether every value fits is
    :mod:`etude.config.check`'s to say.
    """
    known = schema if schema is not None else load()
    steps = expand(member.root)
    return [stage_config(member, step, known)[0] for step in steps]


def stage_config(
    member: MemberLike, step: Step, schema: Schema
) -> tuple[StageConfig, list[tuple[str, str]]]:
    """Return one stage and (path, message) of everything in it that does not fit."""
    over = overlays_of(member.root).get(step.overlay, {})
    raw = stage_node(member, step.overlay, schema)
    _rename(raw, step)
    raw = interpolated(raw, member.root, step.name)
    conformer = Conformer(schema, raw)
    config = conform_stage(raw, conformer)
    if step.redraw:
        from etude.randomness import seed_of  # brings numpy, which most commands need not wait for

        config["seed"] = seed_of("round", config["seed"], step.redraw) % 2**31
    own = {
        # Whether these fit is judged with the root, where their path is known.
        key: Conformer(schema).field(
            {key: over[key]} if over.get(key) is not None else {}, field, key
        )
        for key, field in stage_fields().items()
        if key in ("gate", "resources")
    }
    if member.root.get("debug"):
        _shorten(config, schema)
    config["outputs"] = member.root.get("outputs")
    config.update({"after": list(step.after), "start_from": step.start_from, **own})
    objective = config.get("objective") or {}
    info = schema.find("objective", str(objective.get("name")))
    stage = StageConfig(
        name=step.name,
        config=config,
        learner=info.learner or "" if info is not None else "",
        after=step.after,
        start_from=step.start_from,
        gate=own["gate"],
        resources=own["resources"] or {},
        overlay=step.overlay,
    )
    return stage, conformer.faults


def stage_node(member: MemberLike, name: str, schema: Schema) -> dict[str, Any]:
    """Return the root with a stage's overlay over it, as written (interpolations, no defaults)."""
    over = overlays_of(member.root).get(name, {})
    return lay_over(member.root, over, schema, pinned_by(member.choices, name))


def pinned_by(choices: Mapping[str, Any], stage: str) -> frozenset[str]:
    """Return the paths inside a stage's overlay that a file was chosen for."""
    head = f"stages.{stage}."
    packages = (key.partition("@")[2] for key, choice in choices.items() if choice is not None)
    return frozenset(package[len(head) :] for package in packages if package.startswith(head))


def conform_stage(raw: Mapping[str, Any], conformer: Conformer) -> dict[str, Any]:
    """Return every group, source and setting of a stage complete and typed."""
    config: dict[str, Any] = {}
    for group in (*STAGE_GROUPS, "launcher"):
        config[group] = conformer.node(raw.get(group), group, group)
    config["sources"] = {
        key: conformer.node(node, "sources", f"sources.{key}")
        for key, node in (raw.get("sources") or {}).items()
    }
    plain = root_fields()
    for key in ("execution", "seed"):
        given = {key: raw[key]} if raw.get(key) is not None else {}
        config[key] = conformer.field(given, plain[key], key)
    return config


def interpolated(raw: dict[str, Any], root: Mapping[str, Any], stage: str) -> dict[str, Any]:
    """Return a stage's node with ``${…}`` replaced; paths mean the stage's own values."""
    if not _any_interpolation(raw):
        return raw
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = OmegaConf.create({**root, **raw})
    resolved: dict[str, Any] = {}
    for key in raw:
        node = config._get_node(key)
        try:
            is_node = OmegaConf.is_config(node)
            resolved[key] = OmegaConf.to_container(node, resolve=True) if is_node else config[key]
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(
                [Fault(f"{key} of the stage {stage}", f"refers to nothing: {reason}")]
            ) from error
    return resolved


def _any_interpolation(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_any_interpolation(item) for item in value.values())
    if isinstance(value, list):
        return any(_any_interpolation(item) for item in value)
    return is_interpolation(value)


def _rename(raw: dict[str, Any], step: Step) -> None:
    """Let what names a repeated stage name the copy that this stage means."""
    for node in (raw.get("sources") or {}).values():
        if isinstance(node, dict) and node.get("from_stage") in step.renamed:
            node["from_stage"] = step.renamed[node["from_stage"]]
    rollout = raw.get("rollout")
    for key in STAGE_EXTRAS["rollout"]:
        if isinstance(rollout, dict) and rollout.get(key) in step.renamed:
            rollout[key] = step.renamed[rollout[key]]


def _shorten(config: dict[str, Any], schema: Schema) -> None:
    """Leave two steps, a checkpoint at each, and an evaluation on a few problems."""
    training = config.get("training") or {}
    if isinstance(training.get("steps"), int):
        training["steps"] = min(training["steps"], DEBUG_STEPS)
    if isinstance(config.get("execution"), dict):
        config["execution"]["checkpoint_every"] = 1
    evaluation = config.get("evaluation") or {}
    info = schema.find("evaluation", str(evaluation.get("name")))
    fields: Mapping[str, FieldInfo] = info.fields if info is not None else {}
    for key in ("problems", "limit"):
        if key in fields:
            given = evaluation.get(key)
            evaluation[key] = DEBUG_PROBLEMS if given is None else min(given, DEBUG_PROBLEMS)
