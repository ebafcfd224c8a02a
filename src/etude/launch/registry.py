"""Which job does which unit: a list in the run's folder, and the newest job of each stage."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etude.execute import atomic
from etude.execute.lines import LineWriter, raw_lines, to_line
from etude.plan import layout
from etude.plan.records import Maybe, Report, unsaid

JOBS = "jobs.jsonl"
ENDED = "ended"
REQUEUES = "requeues"
LOGS = "logs"
WAITING = "waiting"
_BY_STAGE = ".jobs"
SUBMITTED = {"unit": str, "job": str, "run": str, "at": Maybe(str)}
_ENDED = {"state": str, "why": Maybe(str), "job": Maybe(str), "host": Maybe(str)}
_REQUEUE = {"job": str, "restart": int, "why": str, "step": int, "at": Maybe(str)}

#: Why a unit ended whose job could not even write that (UNWRITTEN_EXIT).
UNWRITTEN = "nothing could be written any more: the disk was full, or not to be reached"


@dataclass(frozen=True)
class Submitted:
    """A unit that was handed to a cluster: ``job`` is its id (``812`` or ``812_3``)."""

    unit: str
    job: str
    run: str
    at: str = ""


def record(
    outputs: Path, folder: Path, submitted: Iterable[Submitted], *, by_stage: bool = True
) -> None:
    """Write down jobs that were just submitted. Raises StorageError.

    ``by_stage`` is False for jobs of another run that this one relies on.
    """
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    lines = [{**asdict(each), "at": stamp} for each in submitted]
    writer = LineWriter(folder / JOBS)
    writer.write(*lines)
    writer.sync()
    writer.close()
    if not by_stage:
        return
    place = outputs / _BY_STAGE
    with atomic.storing(place):
        place.mkdir(parents=True, exist_ok=True)
        for line in lines:
            # Renamed, not flushed: after a power failure a stage is at worst submitted again.
            beside = place / f".{line['unit']}.tmp"
            beside.write_bytes(to_line(line))
            beside.replace(place / f"{line['unit']}.json")


def jobs_of(folder: Path, report: Report = unsaid) -> dict[str, Submitted]:
    """Return unit → its newest job, as the run's folder lists them."""
    lines = raw_lines(folder / JOBS, SUBMITTED, report)
    return {content["unit"]: _submitted(content) for content, _ in lines}


def newest_job(outputs: Path, unit: str) -> Submitted | None:
    """Return the newest job of a unit in any run, or None when there was none."""
    content = layout.read_json(outputs / _BY_STAGE / f"{unit}.json", SUBMITTED)
    return None if content is None else _submitted(content)


def _submitted(content: Mapping[str, Any]) -> Submitted:
    return Submitted(content["unit"], content["job"], content["run"], content.get("at") or "")


def write_ended(folder: Path, unit: str, about: Mapping[str, Any]) -> None:
    """Write how the last process of a unit ended: state, why, code, job. Raises StorageError."""
    content = {**about, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    atomic.write_json(folder / ENDED / f"{unit}.json", content)


def ended(folder: Path, unit: str) -> dict[str, Any] | None:
    """Return how the last process of a unit ended, or None when none has."""
    return layout.read_json(folder / ENDED / f"{unit}.json", _ENDED)


def forget_ended(folder: Path, unit: str) -> None:
    """Remove the record of an earlier end: the unit is handed over again."""
    (folder / ENDED / f"{unit}.json").unlink(missing_ok=True)


def write_waiting(folder: Path, units: Collection[str]) -> None:
    """Write down which units found no room in the queue. Raises StorageError."""
    if units:
        atomic.write_text(folder / WAITING, "".join(f"{unit}\n" for unit in units))
    else:
        (folder / WAITING).unlink(missing_ok=True)


def waiting(folder: Path) -> list[str]:
    """Return the units of a run that are still to be handed over."""
    try:
        return (folder / WAITING).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []


@dataclass(frozen=True)
class Requeue:
    """A job put back into the queue: why, in which restart, and after how many steps."""

    job: str
    restart: int
    why: str
    step: int
    at: str = ""


def write_requeue(folder: Path, unit: str, requeue: Requeue) -> None:
    """Write down that a unit's job goes back into the queue. Raises StorageError."""
    place = folder / REQUEUES
    with atomic.storing(place):
        place.mkdir(exist_ok=True)
    writer = LineWriter(place / f"{unit}.jsonl")
    writer.write({**asdict(requeue), "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
    writer.sync()
    writer.close()


def requeues(folder: Path, unit: str) -> list[Requeue]:
    """Return every time a unit's job went back into the queue, oldest first."""
    path = folder / REQUEUES / f"{unit}.jsonl"
    return [
        Requeue(each["job"], each["restart"], each["why"], each["step"], each.get("at") or "")
        for each, _ in raw_lines(path, _REQUEUE)
    ]


def log_folder(folder: Path, name: str, unit: str, job: str, restart: int) -> Path:
    """Return where the ranks of one attempt of a job write what they print."""
    return folder / LOGS / f"{name}-{unit[:8]}" / f"{job}.{restart}"
