"""The road from a command line to sound stages: judge, compose, resolve, check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.config.check import Checker
from etude.config.check_evaluate import check_evaluation
from etude.config.compose import Member
from etude.config.front_check import FrontCheck
from etude.config.installation import Installation, installed
from etude.config.resolve import StageConfig
from etude.config.stands_in import with_files
from etude.errors import ConfigError, Fault


@dataclass(frozen=True)
class Prepared:
    """Every run of a command with its stages, and what a person should know before they start."""

    runs: list[tuple[Member, list[StageConfig]]]
    warnings: list[str]


def prepare(
    overrides: Sequence[str],
    *,
    multirun: bool = False,
    installation: Installation | None = None,
    faults: Sequence[Fault] = (),
) -> Prepared:
    """Return the checked runs of a `train` command; raises ConfigError with all of its faults.

    ``faults`` are those found before (of flags). What follows from a wrong choice is not judged.
    """
    here = installation or installed()
    report = FrontCheck(here).run(overrides, multirun=multirun)
    found = [*faults, *report.faults]
    known = set(found)  # before files are named in them
    checker = Checker(here)
    runs: list[tuple[Member, list[StageConfig]]] = []
    for member in [] if report.misread else report.members:
        try:
            runs.append((member, checker.check(member)))
        except ConfigError as error:
            new = [fault for fault in error.faults if fault not in known]
            known.update(new)
            found += with_files(new, overrides, member.choices, here)
    if found:
        raise ConfigError(found)
    warnings = dict.fromkeys(text for member, _ in runs for text in member.warnings)
    return Prepared(runs, list(warnings))


def prepare_evaluation(
    overrides: Sequence[str],
    *,
    multirun: bool = False,
    installation: Installation | None = None,
    faults: Sequence[Fault] = (),
) -> list[tuple[Member, dict[str, Any]]]:
    """Return the checked configs of an `evaluate` command; raises ConfigError with every fault."""
    here = installation or installed()
    report = FrontCheck(here, evaluate=True).run(overrides, multirun=multirun)
    found = [*faults, *report.faults]
    known = set(found)  # before files are named in them
    runs: list[tuple[Member, dict[str, Any]]] = []
    for member in [] if report.misread else report.members:
        checkpoint = member.root.get("checkpoint")
        if not checkpoint and not any(fault.typed.startswith("checkpoint") for fault in found):
            found.append(Fault("checkpoint", "needs a value: checkpoint=FOLDER names the model."))
        elif checkpoint and not Path(str(checkpoint)).expanduser().exists():
            found.append(Fault(f"checkpoint={checkpoint}", "there is no such folder."))
        try:
            runs.append((member, check_evaluation(member, here)))
        except ConfigError as error:
            new = [fault for fault in error.faults if fault not in known]
            known.update(new)
            found += with_files(new, overrides, member.choices, here)
    if found:
        raise ConfigError(found)
    return runs
