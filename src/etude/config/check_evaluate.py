"""The config of `evaluate`, which is no stage: completed, and judged for its one measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etude.config import (
    check_asked,
    check_data,
    check_evaluations,
    check_machine,
    check_model,
    check_needs,
    check_rules,
    check_verifier,
    evaluations,
    first_call,
    first_look,
    hidden_columns,
    needs,
)
from etude.config.check_choices import EVALUATE_READS
from etude.config.conform import Conformer
from etude.config.installation import Installation
from etude.config.model_look import ModelLook
from etude.config.overlay import Overlays
from etude.config.resolve import MemberLike, interpolated
from etude.config.spelling import root_fields
from etude.errors import ConfigError, Fault
from etude.plan.by_name import Alone
from etude.plan.inputs import reader_of


def check_evaluation(member: MemberLike, installation: Installation) -> dict[str, Any]:
    """Return the config of `evaluate`, sound; raises ConfigError with every fault."""
    kept = {
        key: value
        for key, value in member.root.items()
        if key in EVALUATE_READS or key in ("execution", "seed", "objective")
    }
    raw = interpolated(kept, member.root, "evaluate")
    overlays = Overlays(installation.schema)
    raw = overlays.following(raw, overlays.files(member.choices))
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
    plain = root_fields(evaluate=True)
    for key in ("execution", "seed"):
        config[key] = conformer.field({key: raw[key]} if key in raw else {}, plain[key], key)
    config["outputs"] = member.root.get("outputs")
    found = [Fault(path, message) for path, message in conformer.faults]
    found += [Fault(p, m) for p, m in check_data.side(config, installation, held_out=True)]
    for used in needs.walk(config.get("verifier"), "verifier", "verifier", installation.schema):
        hidden = hidden_columns.hidden(used, config, installation.schema, trained=False)
        found += [Fault(path, message) for path, message in hidden]
    if not found:
        judged = "verifier" in needs.evaluation_reads(config, installation.schema)
        look = first_look.faults(
            config,
            installation.schema,
            sides=("held_out",),
            judged=("held_out",) if judged else (),
        )
        called = first_call.faults(config, installation, ("held_out",) if judged else ())
        seen = (*ModelLook().faults(config, {}), *look, *called)
        found += [Fault(path, message) for path, message in seen]
    if not evaluations.measuring(config):
        found.append(
            Fault("evaluation", "is switched off; evaluate needs one: evaluation=pass_at_k")
        )
    found += [Fault(*fault) for fault in check_evaluations.faults(config, installation)]
    if not found:
        for view, place in check_evaluations.with_own_rows(config):
            reads = needs.evaluation_reads(view, installation.schema)
            sides = ("held_out",) if "verifier" in reads else ()
            looked = first_look.faults(view, installation.schema, sides=("held_out",), judged=sides)
            called = first_call.faults(view, installation, sides)
            found += [Fault(*place(*fault)) for fault in (*looked, *called)]
    found += [Fault(path, message) for path, message in check_machine.devices(config)]
    misfits = reader_of(installation.schema).of([Alone(config)])[1]
    found += [Fault(misfit.path, misfit.message) for misfit in misfits]
    if checkpoint := member.root.get("checkpoint"):
        folder = Path(str(checkpoint)).expanduser()
        found += [Fault(path, message) for path, message in check_model.answers(config, folder)]
    tree = [
        used
        for group in ("evaluation", *needs.evaluation_reads(config, installation.schema))
        for used in needs.walk(config.get(group), group, group, installation.schema)
    ]
    found += [Fault(path, message) for path, message in check_verifier.misfits(tree)]
    has = needs.provided(config, tree, "")
    roles = [key for key in config.get("models") or {} if key != "name"]
    found += [Fault(*fault) for fault in check_asked.no_room(tree, config, check_model.BASE)]
    for used in tree:
        found += [Fault(*fault) for fault in check_rules.broken(used, config)]
        for need in needs.active(used.info.requires, used):
            if need.what.startswith("column:"):
                column = check_data.column(
                    used, need.what, need.why, config, {}, installation, set()
                )
                found += [Fault(path, message) for path, message in column]
            elif need.what.startswith("model:") and need.what not in has:
                message = check_needs.missing(
                    used, need.what, need.why, tree, installation.schema, roles
                )
                found.append(Fault("", message))
    if found:
        raise ConfigError(found)
    return config
