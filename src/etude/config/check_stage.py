"""One resolved stage against the schema: the groups it needs and what its components need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etude.config import (
    check_asked,
    check_data,
    check_evaluations,
    check_gate,
    check_machine,
    check_mixing,
    check_model,
    check_needs,
    check_parts,
    check_roles,
    check_verifier,
    needs,
)
from etude.config.installation import Installation
from etude.config.needs import Used
from etude.config.resolve import StageConfig
from etude.config.spelling import unknown_learner
from etude.schema import ComponentInfo, LearnerInfo


@dataclass(frozen=True)
class Judged:
    """What a stage lacks, as (path, message), and the components of plug-ins that it uses."""

    unmet: tuple[tuple[str, str], ...]
    foreign: tuple[ComponentInfo | LearnerInfo, ...]


def judged(
    stage: StageConfig, origin: str, installation: Installation, measured: tuple[str, ...]
) -> Judged:
    """Return what a stage lacks whose first model is ``origin``.

    ``measured`` are evaluations that it is provided with by the stage around it, as a role's is.
    """
    used = needs.used_by(stage.config, installation.schema)
    of_stage: list[ComponentInfo | LearnerInfo] = [each.info for each in used]
    of_stage.append(installation.schema.learner(stage.learner))
    foreign = tuple(info for info in of_stage if info.package != "etude")
    return Judged(tuple(_unmet(stage, origin, used, installation, measured)), foreign)


def _unmet(
    stage: StageConfig,
    origin: str,
    used: list[Used],
    installation: Installation,
    measured: tuple[str, ...] = (),
) -> Iterator[tuple[str, str]]:
    schema = installation.schema
    config = stage.config
    if not stage.learner:
        name = (config.get("objective") or {}).get("name")
        if schema.find("objective", str(name)) is not None:
            yield "objective", f"the objective {name} names no learner."
    elif stage.learner not in schema.learners:
        yield "objective", unknown_learner(stage.learner, schema)
    has = {**dict.fromkeys(measured, "evaluation"), **needs.provided(config, used, stage.learner)}
    objective = schema.find("objective", str((config.get("objective") or {}).get("name")))
    trained = set(objective.reads or ()) if objective and objective.reads is not None else None
    for group in dict.fromkeys(("objective", "model", "training", *(trained or ()))):
        if config.get(group) is None:
            yield group, f"is not set, and the stage reads it: {group}=CHOICE"
    if config.get("data_mix") and (trained is None or "data_mix" in trained):
        yield from check_data.side(config, installation, held_out=False)
        yield from check_data.templates(config, schema)
        yield from check_mixing.unknown(config, schema)
    if config.get("data_mix") and config.get("evaluation"):
        yield from check_data.side(config, installation, held_out=True)
    yield from check_needs.alone(used, has, config, schema)
    yield from check_parts.unknown(used, installation)
    yield from check_verifier.misfits(used)
    yield from check_evaluations.faults(config, installation)
    yield from check_gate.gate(config, schema)
    yield from check_gate.handed_on(config, schema)
    yield from check_gate.looked_at(used, config, schema)
    yield from check_machine.devices(config)
    yield from check_roles.misfits(config, schema)
    yield from check_model.model(config, schema.learner(stage.learner), origin)
    yield from check_asked.no_room(used, config, origin)
    yield from check_needs.unmet(used, has, config, trained, installation)
