"""SLURM's reasons and states in words, and what may help after a failure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.errors import UNWRITTEN_EXIT
from etude.launch import registry
from etude.launch.resources import minutes_of
from etude.launch.slurm.commands import Accounted

#: Why SLURM lets a job wait, by the beginning of its reason; the longest that fits counts.
_REASONS = {
    "None": "SLURM has not looked at it yet",
    "Priority": "jobs with a higher priority are before it",
    "Resources": "for machines to become free",
    "JobArrayTaskLimit": "others of its array run (launcher.in_flight)",
    "BeginTime": "SLURM starts it a little later",
    "Licenses": "for a licence",
    "Reservation": "for its reservation",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition takes no jobs now",
    "PartitionNodeLimit": "its partition never gives so many machines: resources.nodes",
    "PartitionTimeLimit": "its time limit is above the partition's: resources.time",
    "PartitionConfig": "its partition has no machine with so much: resources",
    "BadConstraints": "no machine has the features it asks for: resources.constraint",
    "ReqNodeNotAvail": "machines it needs are down or reserved",
    "Nodes required for job are DOWN": "machines it needs are down or reserved",
    "NodeDown": "a machine it needs is down",
    "QOS": "a limit of its quality of service",
    "Assoc": "a limit of its account",
    "MaxJobsPerUser": "a limit on jobs of one user",
    "JobHeldUser": "it is held; scontrol release {job}",
    "JobHeldAdmin": "an administrator holds it",
    "launch failed requeued held": "a machine could not start it, so SLURM holds it; "
    "scontrol release {job}",
    "DependencyNeverSatisfied": "what it waits for has failed; etude cancel takes it away",
}

#: States that SLURM ends a job with, as a cause.
_ENDS = {
    "OUT_OF_MEMORY": "out of memory: SLURM killed it",
    "TIMEOUT": "the time limit came before it had saved",
    "NODE_FAIL": "its machine failed",
    "PREEMPTED": "preempted, and not taken up again",
    "DEADLINE": "its deadline passed",
    "BOOT_FAIL": "its machine did not start",
}

_CUDA_MEMORY = re.compile(r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError")
_MEMORY = re.compile(r"out of memory|OUT_OF_MEMORY|Cannot allocate memory|MemoryError", re.I)
_TIME = re.compile(r"time limit", re.I)

# Many stages may have failed, and to parse the YAML of each takes far longer.
_MICRO_BATCH = re.compile(r"^execution:\n(?: .*\n)*? +micro_batch_tokens: (\d+)$", re.M)


def waiting(reason: str, job: str) -> str:
    """Return why SLURM lets a job wait, in words and with SLURM's own in parentheses."""
    fits = [known for known in _REASONS if reason.startswith(known)]
    if not fits:
        return reason
    words = _REASONS[max(fits, key=len)].format(job=job)
    return words if reason == "None" else f"{words} ({reason})"


def ended(about: Accounted) -> str:
    """Return how SLURM says that a job ended."""
    if about.state in _ENDS:
        return _ENDS[about.state]
    code, _, number = about.exit_code.partition(":")
    if code == str(UNWRITTEN_EXIT):
        return registry.UNWRITTEN
    how = f"signal {number}" if number not in ("", "0") else f"exit code {code}"
    return f"SLURM says {about.state}, {how}"


@dataclass(frozen=True)
class Had:
    """What a stage that failed had: memory in GiB, minutes, tokens of a micro-batch."""

    memory: float | None = None
    minutes: int | None = None
    micro_batch: int | None = None


def hint(name: str, cause: str, state: str, kept: int, had: Had) -> str:
    """Return the overrides under which a stage may get further, or nothing where none would.

    ``state`` is SLURM's of the job, ``kept`` the steps that another attempt goes on from.
    """
    if _CUDA_MEMORY.search(cause):
        half = "…" if had.micro_batch is None else str(max(1, had.micro_batch // 2))
        return f"execution.micro_batch_tokens={half}"
    if state == "OUT_OF_MEMORY" or _MEMORY.search(cause):
        more = "…" if had.memory is None else f"{2 * had.memory:g}"
        return f"stages.{name}.resources.memory_gib={more}"
    if state == "TIMEOUT" or _TIME.search(cause):
        if kept:
            return ""
        more = "…" if had.minutes is None else str(2 * had.minutes)
        return f"stages.{name}.resources.time={more}"
    return ""


def had(resources: Mapping[str, Any], launcher: Mapping[str, Any], attempt: Path) -> Had:
    """Return what an attempt had: the stage's own resources, else the launcher's defaults."""
    memory = resources.get("memory_gib") or launcher.get("memory_gib")
    time = resources.get("time") or launcher.get("time")
    minutes = None if time is None else minutes_of(str(time), "resources.time")
    try:
        found = _MICRO_BATCH.search((attempt / "config.yaml").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return Had(memory, minutes, None if found is None else int(found[1]))
