"""`--cfg job` and `--info`: what a command composes, and from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from etude.cli.frame import tell
from etude.config import environment
from etude.config.command import CommandLine
from etude.config.compose import Member
from etude.config.front_check import FrontCheck
from etude.config.installation import Installation
from etude.config.keys import at
from etude.config.spelling import did_you_mean
from etude.errors import ConfigError, Fault


def as_yaml(value: Any) -> str:
    """Return plain values as YAML in their own order."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def print_config(line: CommandLine, installation: Installation, *, evaluate: bool = False) -> int:
    """Print the composed root of every member; raises ConfigError with the command's faults."""
    check = FrontCheck(installation, evaluate=evaluate)
    report = check.run(line.overrides, multirun=line.multirun)
    faults = [*line.faults, *report.faults]
    if faults:
        raise ConfigError(faults)
    for number, member in enumerate(report.members):
        if len(report.members) > 1:
            tell("---\n" if number else "", end="")
            tell("# " + " ".join(member.overrides))
        tell(_text(member, line), end="")
    return 0


def _text(member: Member, line: CommandLine) -> str:
    root: Any = member.root
    if line.resolve:
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        try:
            root = OmegaConf.to_container(OmegaConf.create(environment.escaped(root)), resolve=True)
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0]
            raise ConfigError([Fault("--resolve", f"cannot be done: {reason}")]) from error
    if line.package:
        path = line.package.removeprefix("_global_").strip(".")
        if path and at(root, path) is None:
            near = did_you_mean(path, root)
            raise ConfigError([Fault(f"--package {line.package}", f"there is no such node.{near}")])
        root = at(root, path) if path else root
        if not isinstance(root, (dict, list)):
            return f"{root}\n"
    return as_yaml(root)


def print_info(line: CommandLine, installation: Installation, command: str) -> int:
    """Print versions, plug-ins, where choices come from and which files are merged."""
    from importlib.metadata import version

    import etude

    tell(f"{command} of etude {etude.__version__} · Hydra {version('hydra-core')}")
    tell("\nChoices come from (the first that has one counts):")
    if not any(origin.user for origin in installation.origins):
        tell(f"  {'this folder':<24} {Path.cwd()}  has no conf/, recipes/ or launchers/")
    for origin in installation.origins:
        broken = f"  cannot be loaded: {origin.broken}" if origin.broken else ""
        tell(f"  {origin.title:<24} {origin.folder}{broken}")
    for warning in installation.warnings:
        tell(f"  warning: {warning}")
    report = FrontCheck(installation, evaluate=command == "evaluate").run(
        line.overrides, multirun=line.multirun
    )
    if report.faults:
        raise ConfigError(report.faults)
    tell("\nFiles of this command:")
    for key, choice in report.members[0].choices.items():
        group = key.partition("@")[0]
        found = installation.choice(group, str(choice)) if choice is not None else None
        tell(f"  {key} = {choice}" + (f"  ({found.path})" if found is not None else ""))
    return 0
