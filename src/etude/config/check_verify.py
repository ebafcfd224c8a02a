"""The config of `etude verify`: a verifier and the models that it asks, and nothing of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etude.config import check_machine, check_needs, check_rules, check_verifier, needs
from etude.config.compose import Member
from etude.config.conform import Conformer
from etude.config.front_check import FrontCheck
from etude.config.installation import Installation
from etude.config.overlay import Overlays
from etude.config.resolve import interpolated
from etude.config.spelling import listed, root_fields
from etude.config.stands_in import with_files
from etude.errors import ConfigError, Fault

#: Groups that it reads, and the plain keys of the root.
READS = ("verifier", "models", "model", "rollout")
PLAIN = ("execution", "seed")


def prepare_verify(
    overrides: Sequence[str], here: Installation, faults: Sequence[Fault] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Return the config of the verifier and what a person should know; raises ConfigError.

    ``faults`` are those found before.
    """
    read = [text for text in overrides if _head(text) in (*READS, *PLAIN)]
    found = [*faults, *(_unread(text) for text in overrides if text not in read)]
    report = FrontCheck(here, evaluate=True).run(read)
    found += report.faults
    config: dict[str, Any] = {}
    for member in [] if report.misread else report.members:
        config = _config(member, here, found)
    if found:
        raise ConfigError(found)
    return config, [warning for member in report.members for warning in member.warnings]


def _head(text: str) -> str:
    """Return the first part of the key of an override: its group, or a plain key."""
    key = text.lstrip("+~").partition("=")[0]
    return key.partition("@")[0].partition("/")[0].partition(".")[0]


def _unread(text: str) -> Fault:
    head = _head(text)
    what = listed(READS + PLAIN)
    return Fault(text, f"etude verify does not read {head}; it reads label=COLUMN and {what}.")


def _config(member: Member, here: Installation, found: list[Fault]) -> dict[str, Any]:
    """Return the nodes that are read, complete; faults of theirs are added to ``found``."""
    groups = (*READS, "evaluation")  # as which it is opened with models
    kept = {key: value for key, value in member.root.items() if key in (*groups, *PLAIN)}
    overlays = Overlays(here.schema)
    raw = interpolated(kept, member.root, "etude verify")
    raw = overlays.following(raw, overlays.files(member.choices))
    conformer = Conformer(here.schema, raw)
    config = {group: conformer.node(raw.get(group), group, group) for group in groups}
    plain = root_fields(evaluate=True)
    for key in PLAIN:
        config[key] = conformer.field({key: raw[key]} if key in raw else {}, plain[key], key)
    new = [Fault(path, message) for path, message in conformer.faults]
    if not config["verifier"]:
        new.append(Fault("verifier", "is nothing; etude verify needs one: etude list verifier"))
    new += [Fault(path, message) for path, message in check_machine.devices(config)]
    tree = list(needs.walk(config["verifier"], "verifier", "verifier", here.schema))
    new += [Fault(path, message) for path, message in check_verifier.misfits(tree)]
    has = needs.provided(config, tree, "")
    roles = [key for key in config["models"] or {} if key != "name"]
    for used in tree:
        new += [Fault(path, message) for path, message in check_rules.broken(used, config)]
        for need in needs.active(used.info.requires, used):
            if need.what.startswith("model:") and need.what not in has:
                message = check_needs.missing(used, need.what, need.why, tree, here.schema, roles)
                new.append(Fault("", message))
    known = set(found)
    fresh = [fault for fault in dict.fromkeys(new) if fault not in known]
    found += with_files(fresh, member.overrides, member.choices, here)
    return config


def columns_wanted(config: dict[str, Any], here: Installation) -> dict[str, str]:
    """Return the columns that the verifier requires, each with what it is there for."""
    found: dict[str, str] = {}
    for used in needs.walk(config["verifier"], "verifier", "verifier", here.schema):
        for need in needs.active(used.info.requires, used):
            kind, _, column = need.what.partition(":")
            if kind == "column":
                found.setdefault(column, need.why)
    return found
