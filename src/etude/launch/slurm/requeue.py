"""Whether an interrupted job goes back into the queue, and putting it there."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from etude.build import build
from etude.errors import SlurmError
from etude.execute.owner import Owner
from etude.execute.stop import WARNING
from etude.launch import registry, written
from etude.launch.job import Ended
from etude.launch.slurm import commands
from etude.launch.slurm.settings import SlurmSettings
from etude.plan.quantities import counted

#: The exit code of a job that was put back into the queue (EX_TEMPFAIL).
REQUEUED = 75


def after_a_signal(folder: Path, unit: str, owner: Owner, ended: Ended) -> Ended | None:
    """Put a job that saved after a signal back into the queue; None when SLURM has taken it.

    Otherwise return how it ended: cancelled by a person, or not taken back, with the reason.
    """
    about = _show(owner)
    if _is_later(about, owner):
        return None
    state = about.get("JobState", "")
    preempted = about.get("PreemptTime", "None") not in ("None", "")
    known = registry.ended(folder, unit) or {}
    if (known.get("state"), known.get("job")) == ("cancelled", owner.job):
        return replace(ended, state="cancelled", why=str(known.get("why")))
    if state.startswith("CANCELLED"):
        return replace(ended, state="cancelled", why="by scancel")
    if not preempted and ended.signal != WARNING.name:
        why = "by scancel" if state == "COMPLETING" else f"ended by {ended.signal}"
        return replace(ended, state="cancelled", why=why)
    why = "preempted" if preempted else "time limit"
    return put_back(folder, unit, owner, why, ended.step, ended)


def put_back(
    folder: Path, unit: str, owner: Owner, why: str, step: int, ended: Ended
) -> Ended | None:
    """Ask SLURM to requeue this job, a bounded number of times without progress.

    ``why`` is what a person reads, ``step`` the finished steps that are kept. Returns None when it
    is in the queue again, else how the job ended.
    """
    launcher: SlurmSettings = build(written.read_plain(folder)["launcher"], "launcher")
    # A person who submitted it again gave it as many chances as before.
    before = [each for each in registry.requeues(folder, unit) if each.job == owner.job]
    known = registry.ended(folder, unit)
    if known is not None and (known.get("state"), known.get("job")) == ("cancelled", owner.job):
        return replace(ended, state="cancelled", why=str(known.get("why")))
    if not launcher.requeue:
        return replace(ended, why=f"{why}; launcher.requeue=false leaves it at step {step}")
    idle = without_progress(before, step)
    if idle > launcher.retries:
        return replace(
            ended,
            why=f"{why}; taken up {counted(idle, 'time')} at step {step} without a step done since",
        )
    if why not in ("preempted", "time limit") and faults(before) >= launcher.retries:
        if not launcher.retries:
            return replace(ended, why=f"{why}; launcher.retries=0")
        times = counted(launcher.retries, "time")
        return replace(ended, why=f"{why}; taken up {times} after such faults")
    # Written first: SLURM may end this process before the command returns.
    note = registry.Requeue(owner.job or "", owner.restart, why, step)
    registry.write_requeue(folder, unit, note)
    try:
        commands.requeue(owner.job or "")
    except SlurmError as error:
        if _taken(owner):
            return None
        return replace(ended, why=f"{why}; SLURM did not take it back: {error}")
    return None


def without_progress(before: list[registry.Requeue], step: int) -> int:
    """Return how often in a row a job was put back with as many steps as it has now."""
    count = 0
    for each in reversed(before):
        if each.step != step:
            break
        count += 1
    return count


def faults(before: list[registry.Requeue]) -> int:
    """Return how often a job was put back after a fault of the machines."""
    return sum(each.why not in ("preempted", "time limit") for each in before)


def _show(owner: Owner) -> dict[str, str]:
    # Where the controller does not answer, the signal alone tells.
    with contextlib.suppress(SlurmError):
        return commands.show(owner.job or "")
    return {}


def _taken(owner: Owner) -> bool:
    """Tell whether SLURM put the job back although the command did not return well."""
    about = _show(owner)
    again = about.get("JobState", "").startswith(("PENDING", "REQUEUE"))
    return again or _is_later(about, owner)


def started_again(owner: Owner) -> bool:
    """Tell whether SLURM has put the job back itself: what this start ends with counts no more."""
    return _is_later(_show(owner), owner)


def _is_later(about: dict[str, str], owner: Owner) -> bool:
    return int(about.get("Restarts", owner.restart) or 0) > owner.restart
