"""Every resolved stage against the schema: values, mandatory keys, requirements and conflicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from etude.build import load_class
from etude.config import check_data, needs
from etude.config.check_choices import EVALUATE_READS
from etude.config.check_root import check_root
from etude.config.installation import Installation
from etude.config.needs import Used
from etude.config.overlay import STAGE_GROUPS, overlays_of
from etude.config.pipeline import expand
from etude.config.resolve import MemberLike, Resolver, StageConfig
from etude.config.sharing import ByIdentity
from etude.errors import ConfigError, Fault
from etude.schema import ComponentInfo, Schema


class Checker:
    """Checks members against one installation; what members have in common is judged once."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._resolver = Resolver(installation.schema)
        self._judged: ByIdentity[_Judged] = ByIdentity()

    def check(self, member: MemberLike) -> list[StageConfig]:
        """Return a member's stages, all sound; raises ConfigError with every fault of each."""
        check_root(member.root, self._installation.schema)
        stages: list[StageConfig] = []
        found: dict[tuple[str, str], list[str]] = {}
        checked: set[str] = set()
        for step in expand(member.root):
            stage, misfits = self._resolver.stage(member, step)
            stages.append(stage)
            if step.overlay in checked:
                continue
            checked.add(step.overlay)
            for path, message in [*misfits, *self._judge(stage).unmet]:
                found.setdefault((path, message), []).append(step.overlay)
        faults = [
            Fault(_where(path, at, checked, member.root), message)
            for (path, message), at in found.items()
        ]
        if faults:
            raise ConfigError(faults)
        # A plug-in's components are imported, so that a broken one fails before the queue.
        for info in [info for stage in stages for info in self._judge(stage).foreign]:
            load_class(info)
        return stages

    def _judge(self, stage: StageConfig) -> _Judged:
        """Return what a stage lacks: it depends on nothing but its nodes."""
        nodes = [stage.config.get(key) for key in (*STAGE_GROUPS, "sources")]
        judge = partial(_judged, stage, self._installation)
        return self._judged.of(judge, *nodes, also=stage.learner)


@dataclass(frozen=True)
class _Judged:
    """What a stage lacks, as (path, message), and the components of plug-ins that it uses."""

    unmet: tuple[tuple[str, str], ...]
    foreign: tuple[ComponentInfo, ...]


def _judged(stage: StageConfig, installation: Installation) -> _Judged:
    used = needs.used_by(stage.config, installation.schema)
    foreign = tuple(each.info for each in used if each.info.package != "etude")
    return _Judged(tuple(_unmet(stage, used, installation)), foreign)


def check(member: MemberLike, installation: Installation) -> list[StageConfig]:
    """Return one member's stages as :meth:`Checker.check` does."""
    return Checker(installation).check(member)


def _where(path: str, stages: Sequence[str], every: set[str], root: Mapping[str, Any]) -> str:
    """Return a path as one would type it: at the root when every stage has the fault."""
    if not path:
        return ""
    if set(stages) >= every and (len(every) > 1 or not _in_overlay(path, stages[0], root)):
        return path
    return f"stages.{stages[0]}.{path}"


def _in_overlay(path: str, stage: str, root: Mapping[str, Any]) -> bool:
    over = overlays_of(root).get(stage, {})
    return path.split(".")[0] in over


def _unmet(
    stage: StageConfig, used: list[Used], installation: Installation
) -> Iterator[tuple[str, str]]:
    schema = installation.schema
    config = stage.config
    if not stage.learner:
        name = (config.get("objective") or {}).get("name")
        if schema.find("objective", str(name)) is not None:
            yield "objective", f"the objective {name} names no learner."
    has = needs.provided(config, used, stage.learner)
    objective = schema.find("objective", str((config.get("objective") or {}).get("name")))
    trained = set(objective.reads or ()) if objective and objective.reads is not None else None
    for group in dict.fromkeys(("objective", "model", "training", *(trained or ()))):
        if config.get(group) is None:
            yield group, f"is not set, and the stage reads it: {group}=CHOICE"
    if config.get("data_mix") and (trained is None or "data_mix" in trained):
        yield from check_data.side(config, installation, held_out=False)
        yield from check_data.templates(config, schema)
    if config.get("data_mix") and config.get("evaluation"):
        yield from check_data.side(config, installation, held_out=True)
    for each in used:
        for need in needs.active(each.info.requires, each):
            if need.what.startswith("column:"):
                yield from check_data.column(
                    each, need.what, need.why, config, has, installation, trained
                )
            elif need.what not in has:
                yield "", _unmet_message(each, need.what, need.why, schema)
        for need in needs.active(each.info.conflicts, each):
            if need.what in has and has[need.what] != each.title:
                other = has[need.what]
                reason = need.why or "they exclude each other"
                yield "", f"{each.title} cannot be used with {other}: {reason}."


def _unmet_message(used: Used, what: str, why: str, schema: Schema) -> str:
    reason = f" {why}" if why else ""
    lines = [f"{used.title} needs {needs.said(what)}{reason}; nothing here provides it."]
    kind, _, name = what.partition(":")
    if kind == "model":
        lines.append(f"  models.{name}=…  gives it")
    if kind == "component":
        lines.append(f"  {name}")
    lines += [f"  {choice}  has it" for choice in needs.providers(what, schema)[:4]]
    return "\n".join(lines)


def check_evaluation(member: MemberLike, installation: Installation) -> dict[str, Any]:
    """Return the config of `evaluate`, sound; raises ConfigError with every fault."""
    from etude.config.conform import Conformer
    from etude.config.resolve import interpolated

    kept = {
        key: value
        for key, value in member.root.items()
        if key in EVALUATE_READS or key in ("execution", "seed", "objective")
    }
    raw = interpolated(kept, member.root, "evaluate")
    conformer = Conformer(installation.schema, raw)
    config: dict[str, Any] = {
        group: conformer.node(raw.get(group), group, group)
        for group in EVALUATE_READS
        if group not in ("sources", "recipe")
    }
    config["sources"] = {
        key: conformer.node(node, "sources", f"sources.{key}")
        for key, node in (raw.get("sources") or {}).items()
    }
    from etude.config.spelling import root_fields

    plain = root_fields(evaluate=True)
    for key in ("execution", "seed"):
        config[key] = conformer.field({key: raw[key]} if key in raw else {}, plain[key], key)
    config["outputs"] = member.root.get("outputs")
    found = [Fault(path, message) for path, message in conformer.faults]
    found += [Fault(p, m) for p, m in check_data.side(config, installation, held_out=True)]
    if config.get("evaluation") is None:
        found.append(
            Fault("evaluation", "is switched off; evaluate needs one: evaluation=pass_at_k")
        )
    for group in ("evaluation", *needs.evaluation_reads(config, installation.schema)):
        for used in needs.walk(config.get(group), group, group, installation.schema):
            for need in needs.active(used.info.requires, used):
                if need.what.startswith("column:"):
                    column = check_data.column(
                        used, need.what, need.why, config, {}, installation, set()
                    )
                    found += [Fault(path, message) for path, message in column]
    if found:
        raise ConfigError(found)
    return config
