"""What a stage asks of machines, after the launcher's defaults; equal shapes share an array."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from etude.config.settings import Resources
from etude.errors import ConfigError, Fault

#: Seconds that no job runs for, and more letters than a time limit has.
_YEAR = 366 * 24 * 3600
_LONGEST = 40

_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


@dataclass(frozen=True)
class Shape:
    """The machines of one job: a hashable form of Resources with nothing left open."""

    nodes: int = 1
    tasks_per_node: int = 1
    gpus_per_node: int = 0
    cpus_per_task: int | None = None
    memory_gib: float | None = None
    minutes: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    reservation: str | None = None
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    container: str | None = None
    sbatch: tuple[tuple[str, str], ...] = ()

    @property
    def tasks(self) -> int:
        """Return the number of processes."""
        return self.nodes * self.tasks_per_node

    @property
    def words(self) -> str:
        """Return ``2 nodes × 4 tasks × 4 GPUs, 4:00:00, partition gpu``."""
        parts = [f"{self.nodes} node" + ("s" if self.nodes > 1 else "")]
        if self.tasks_per_node > 1:
            parts.append(f"{self.tasks_per_node} tasks")
        if self.gpus_per_node:
            parts.append(f"{self.gpus_per_node} GPU" + ("s" if self.gpus_per_node > 1 else ""))
        text = " × ".join(parts)
        if self.minutes is not None:
            text += f", {self.minutes // 60}:{self.minutes % 60:02d}:00"
        return text + (f", partition {self.partition}" if self.partition else "")


def shape_of(resources: Mapping[str, Any], defaults: Resources, where: str = "resources") -> Shape:
    """Return the shape of a job: what a stage asks for, else what the launcher gives.

    One process runs on each GPU, or one on a machine without any, where neither says. Raises
    ConfigError for a time that cannot be read.
    """
    asked = {each.name: _first(resources, defaults, each.name) for each in fields(Resources)}
    gpus = asked["gpus_per_node"] or 0
    key = f"{where}.time" if resources.get("time") is not None else "launcher.time"
    options = _options(asked["sbatch"] or {}, resources, where)
    return Shape(
        nodes=asked["nodes"] or 1,
        tasks_per_node=asked["tasks_per_node"] or max(1, gpus),
        gpus_per_node=gpus,
        cpus_per_task=asked["cpus_per_task"],
        memory_gib=asked["memory_gib"],
        minutes=None if asked["time"] is None else minutes_of(str(asked["time"]), key),
        partition=asked["partition"],
        account=asked["account"],
        qos=asked["qos"],
        constraint=asked["constraint"],
        reservation=asked["reservation"],
        modules=tuple(asked["modules"] or ()),
        setup=tuple(asked["setup"] or ()),
        container=asked["container"],
        sbatch=options,
    )


def not_here(shape: Shape, gpus: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) of what one machine with these GPUs cannot give to a stage."""
    if shape.nodes > 1:
        yield "resources.nodes", f"is {shape.nodes}: several machines are launcher=slurm's to give."
    if shape.gpus_per_node > len(gpus):
        message = (
            f"is {shape.gpus_per_node}, more GPUs than there are to share out here ({len(gpus)})."
        )
        yield "resources.gpus_per_node", message


#: Options of sbatch that have keys of their own here; and those that jobs are built on.
_KEYS = {
    "nodes": "nodes",
    "ntasks": "tasks_per_node",
    "ntasks-per-node": "tasks_per_node",
    "gpus-per-node": "gpus_per_node",
    "cpus-per-task": "cpus_per_task",
    "mem": "memory_gib",
    "time": "time",
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "reservation": "reservation",
}
_TAKEN = {
    "array": "launcher.in_flight bounds how many of an array run at once",
    "signal": "launcher.signal_seconds says how long before a time limit",
    "requeue": "launcher.requeue=true or false says it",
    "no-requeue": "launcher.requeue=true or false says it",
    **dict.fromkeys(
        ("dependency", "kill-on-invalid-dep", "job-name", "output", "error", "open-mode"),
        "etude sets it for every job",
    ),
    **dict.fromkeys(
        ("wrap", "parsable", "quiet", "wait", "test-only", "help", "usage", "version"),
        "jobs could not be submitted with it",
    ),
}


def _options(
    options: Mapping[str, Any], resources: Mapping[str, Any], where: str
) -> tuple[tuple[str, str], ...]:
    """Return other options of sbatch by name; null and false leave one out, true has no value.

    Raises ConfigError for those that would take what a job is built on from under it.
    """
    group = where if resources.get("sbatch") is not None else "launcher"
    found, faults = {}, []
    for key, value in options.items():
        name = str(key).lstrip("-").replace("_", "-")
        if name in _KEYS or name in _TAKEN:
            why = _TAKEN.get(name) or f"type {group}.{_KEYS[name]}=VALUE"
            faults.append(Fault(f"{group}.sbatch.{key}={value}", f"cannot be given here: {why}."))
        elif value is not None and value is not False:
            found[name] = str(value)
    if faults:
        raise ConfigError(faults)
    return tuple(sorted(found.items()))


def _first(resources: Mapping[str, Any], defaults: Resources, name: str) -> Any:
    value = resources.get(name)
    return getattr(defaults, name) if value is None else value


def minutes_of(text: str, where: str) -> int:
    """Return the minutes of a SLURM time: ``90``, ``1:30:00``, ``2-12:00:00``; rounded up.

    As in SLURM, ``M:SS`` are minutes and seconds, and with days the first number is of hours.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None or len(text) > _LONGEST:
        message = "is not a time limit; type minutes (90), H:MM:SS (1:30:00) or D-HH:MM:SS."
        raise ConfigError([Fault(f"{where}={text}", message)])
    days, *rest = found.groups()
    given = [int(each) for each in rest if each is not None]
    if days is not None:
        hours, minutes, seconds = (*given, 0, 0)[:3]
    elif len(given) == 3:
        hours, minutes, seconds = given
    else:
        hours, (minutes, seconds) = 0, (*given, 0)[:2]
    total = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    if total < 60:
        raise ConfigError([Fault(f"{where}={text}", "is less than a minute, SLURM's shortest.")])
    if total > _YEAR:
        raise ConfigError([Fault(f"{where}={text}", "is more than a year.")])
    return -(-total // 60)
