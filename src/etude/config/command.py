"""A command line → its flags and its overrides; which of them is which, without judging any."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from etude.config.spelling import did_you_mean
from etude.errors import Fault

#: Flags of Hydra's commands that take no value here, and those that take one.
SWITCHES = {
    "-h": "help",
    "--help": "help",
    "-m": "multirun",
    "--multirun": "multirun",
    "--resolve": "resolve",
    "--traceback": "traceback",
    "-r": "run",
    "--run": "run",
    "--version": "version",
}
VALUED = {
    "-c": "cfg",
    "--cfg": "cfg",
    "-p": "package",
    "--package": "package",
    "-sc": "shell_completion",
    "--shell-completion": "shell_completion",
}

#: Flags and keys of Hydra that mean nothing here, and what to do instead.
REFUSED = {
    "--config-path": "choices are read from conf/, recipes/ and launchers/ of the current folder",
    "-cp": "choices are read from conf/, recipes/ and launchers/ of the current folder",
    "--config-dir": "choices are read from conf/, recipes/ and launchers/ of the current folder",
    "-cd": "choices are read from conf/, recipes/ and launchers/ of the current folder",
    "--config-name": "the primary config is etude's; a pipeline of your own is recipes/NAME.yaml",
    "-cn": "the primary config is etude's; a pipeline of your own is recipes/NAME.yaml",
    "--hydra-help": "there is no hydra node here; --help shows what there is",
    "--experimental-rerun": "the same command again continues where it stopped",
}
HYDRA_KEYS = {
    "hydra/launcher": "a launcher of Hydra starts each run of a sweep alone: it trains what they"
    " share again, takes a failed run for a finished one and cannot chain stages. Where a run runs"
    " is a group of its own: launcher=slurm, or launcher=local_pool on this machine",
    "hydra/sweeper": "a sweep is -m with values separated by commas: train -m seed=1,2,3",
    "hydra.launcher": "where a run runs is a group of its own: launcher=slurm launcher.KEY=VALUE"
    " (etude list launcher)",
    "hydra.sweeper": "a sweep is -m with values separated by commas: train -m seed=1,2,3",
    "hydra.run.dir": "the folder is outputs=FOLDER",
    "hydra.sweep.dir": "the folder is outputs=FOLDER",
    "hydra.searchpath": "choices are added by conf/ in the current folder or by a plug-in",
    "hydra.job.name": "the name of a run is name=NAME",
    "hydra.verbose": "ETUDE_TRACEBACK=1 or --traceback shows where an error comes from",
}


@dataclass
class CommandLine:
    """What was typed: flags and overrides, and the faults of flags."""

    overrides: list[str] = field(default_factory=list)
    help: bool = False
    multirun: bool = False
    resolve: bool = False
    traceback: bool = False
    run: bool = False
    version: bool = False
    info: str | None = None
    cfg: str | None = None
    package: str | None = None
    shell_completion: str | None = None
    faults: list[Fault] = field(default_factory=list)


def read(argv: Sequence[str]) -> CommandLine:
    """Return the flags and overrides of a command line; flags may stand anywhere."""
    found = CommandLine()
    words = list(argv)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        if flag in ("-i", "--info"):
            topics = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
            found.info = (
                value if equals else words.pop(0) if words and words[0] in topics else "all"
            )
        elif flag in SWITCHES:
            setattr(found, SWITCHES[flag], True)
        elif flag in VALUED:
            if not equals:
                if not words:
                    found.faults.append(Fault(word, "needs a value after it."))
                    continue
                value = words.pop(0)
            setattr(found, VALUED[flag], value)
        elif flag in REFUSED:
            found.faults.append(
                Fault(word, f"is a flag of Hydra that has no use here: {REFUSED[flag]}.")
            )
            if not equals and flag not in ("--hydra-help",) and words and "=" not in words[0]:
                words.pop(0)
        elif re.match(r"^--?[A-Za-z]", word):
            near = did_you_mean(flag, [*SWITCHES, *VALUED, "--info"])
            found.faults.append(Fault(word, f"there is no such flag.{near}"))
        else:
            found.overrides.append(word)
    if found.cfg is not None and found.cfg not in ("job", "all"):
        found.faults.append(
            Fault(f"--cfg {found.cfg}", "shows job or all; there is no hydra node.")
        )
    return found


def hydra_key_fault(text: str) -> Fault | None:
    """Return the fault of an override of Hydra's own settings, which nothing here reads."""
    key = text.lstrip("+~").partition("=")[0]
    if not re.match(r"hydra($|[./@])", key):
        return None
    for known, reason in HYDRA_KEYS.items():
        if key == known or key.startswith(f"{known}.") or key.startswith(f"{known}@"):
            return Fault(text, f"sets Hydra's own machinery, which is not used here; {reason}.")
    return Fault(text, "sets Hydra's own machinery, which is not used here.")


_DOTTED = re.compile(
    r"^\+{0,2}(?:stages\.(?P<stage>[\w-]+)\.)?(?P<path>[A-Za-z_][\w./]*)=(?P<value>.*)$", re.DOTALL
)


def as_group_override(text: str, groups: Container[str]) -> str:
    """Return ``objective.advantage=grpo`` as Hydra's ``objective/advantage=grpo``.

    And ``stages.rl.objective=dapo`` as ``objective@stages.rl.objective=dapo``. Everything else is
    returned as it is; null and mappings stay values. ``groups`` are those whose place is known
    without looking at what lies around it.
    """
    found = _DOTTED.match(text)
    if found is None or (found["stage"] is None and "." not in found["path"]):
        return text
    stage, value, group = found["stage"], found["value"], found["path"].replace(".", "/")
    if group not in groups or value.strip() in ("null", "") or value.lstrip().startswith("{"):
        return text
    place = f"@stages.{stage}.{group.replace('/', '.')}" if stage is not None else ""
    return f"{group}{place}={value}"
