"""`etude show`: every stage resolved as YAML, with what each part requires and what provides it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etude.cli.composed import as_yaml
from etude.config import evaluations, needs
from etude.config.installation import Installation
from etude.config.need_words import said
from etude.config.needs import Used
from etude.config.prepare import Prepared
from etude.config.resolve import StageConfig
from etude.plan.inputs import Given, reader_of
from etude.plan.nodes import START
from etude.plan.references import each_of, spelled
from etude.schema import Schema


def show(prepared: Prepared, installation: Installation) -> str:
    """Return the stages of every run as YAML documents."""
    lines: list[str] = []
    reader = reader_of(installation.schema)
    for member, stages in prepared.runs:
        if len(prepared.runs) > 1:
            lines += ["---", f"# {' '.join(member.overrides)}"]
        given, _ = reader.of(stages)
        for stage in stages:
            lines += ["---", *_stage(stage, given[stage.name], installation.schema)]
    return "\n".join(lines) + "\n"


def _stage(stage: StageConfig, given: Given, schema: Schema) -> Iterator[str]:
    after = f" · after {', '.join(stage.after)}" if stage.after else ""
    named = {place: ", ".join(map(spelled, each_of(value))) for place, value in given.all.items()}
    start = named.pop(START)
    yield f"# stage {stage.name} · {stage.learner.replace('_', ' ')}{after} · starts from {start}"
    for place, name in named.items():
        yield f"#   {place} ← {name}"
    used = needs.used_by(stage.config, schema)
    has = needs.provided(stage.config, used, stage.learner)
    for each in used:
        yield from _needs(each, stage, has, schema)
    others = evaluations.named(stage.config)
    reads = {*needs.read_groups(stage.config, schema), *([evaluations.GROUP] if others else [])}
    config = {key: value for key, value in stage.config.items() if _shown(key, reads)}
    sources = {each.path.split(".")[1] for each in used if each.path.startswith("sources.")}
    for name in others:
        sources |= needs.sources_named(evaluations.view(stage.config, name))
    config["sources"] = {key: stage.config["sources"][key] for key in sorted(sources)}
    yield as_yaml({stage.name: config}).rstrip("\n")


def _shown(key: str, reads: set[str]) -> bool:
    from etude.config.overlay import STAGE_GROUPS

    return key not in STAGE_GROUPS or key in reads


def _needs(used: Used, stage: StageConfig, has: dict[str, str], schema: Schema) -> Iterator[str]:
    for need in needs.active(used.info.requires, used):
        why = f" {need.why}" if need.why else ""
        giver = _giver(need.what, stage.config, has, schema)
        yield f"#   {used.title} needs {said(need.what)}{why} ← {giver}"


def _giver(what: str, config: dict[str, Any], has: dict[str, str], schema: Schema) -> str:
    if what in has:
        return has[what]
    kind, _, column = what.partition(":")
    if kind != "column":
        return "nothing"
    for held_out in (False, True):
        sources = needs.columns_of(config, schema, held_out)
        givers = [f"sources.{key}" for key, known in sources.items() if {column, "*"} & known]
        if givers:
            return ", ".join(givers)
    return "nothing"
