"""After a job's ranks have ended badly: what its batch script runs, outside of every rank.

A rank that was killed says nothing itself; here its job is put back into the queue, a bounded
number of times, or the reason is written down for ``etude status``.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etude.cli.frame import guarded
from etude.errors import HUNG_EXIT, UNWRITTEN_EXIT, Fenced, Interrupted, MeetingError, SlurmError
from etude.execute.failures import first_failure
from etude.execute.owner import Owner
from etude.launch import registry, written
from etude.launch.job import Ended
from etude.launch.slurm import commands, requeue, script
from etude.launch.slurm.rest import submit_the_rest
from etude.plan import layout, records

#: What slurmstepd, srun or the kernel write when memory ran out.
_OUT_OF_MEMORY = ("oom_kill", "oom-kill", "out of memory", "out_of_memory")
_TAIL = 20_000

#: How srun tells of a rank that a signal ended.
_DEAD = re.compile(
    r"^srun: error: (?P<node>\S+): tasks? (?P<rank>[\d,-]+): (?!Exited)(?P<how>.+)", re.M
)
_EXITED = re.compile(r"^srun: error: .*: Exited with exit code (\d+)$", re.M)
_WAIT_SECONDS = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Deal with a job that ended with an exit code other than 0."""
    return guarded(_main, argv)


def _main(argv: list[str]) -> int:
    folder, code = Path(argv[0]), int(argv[1])
    owner = Owner.here()
    unit = _unit(folder, owner.job or "")
    if code in (requeue.REQUEUED, Fenced.exit_code) or unit is None:
        return 0
    known = registry.ended(folder, unit)
    if known is not None and (known.get("job"), known.get("restart")) == (owner.job, owner.restart):
        return 0
    # After a preemption or a lost node; one that goes on elsewhere must not be put back again.
    if requeue.started_again(owner):
        return 0
    state, step, why = _cause(folder, unit, owner, code)
    ended: Ended | None = Ended(state, why, step=step)
    if state == "killed":
        ended = requeue.put_back(folder, unit, owner, why, step, Ended(state, why, step=step))
    if ended is not None:
        about = {"state": ended.state, "why": ended.why, "step": step, "code": code}
        job = {"job": owner.job, "restart": owner.restart, "host": owner.host}
        registry.write_ended(folder, unit, {**about, **job})
        submit_the_rest(folder, Path(written.read_plain(folder)["outputs"]), owner)
    return 0


def _unit(folder: Path, job: str) -> str | None:
    """Return the unit of a job; it may have ended before its submission was written down."""
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        units = {each.job: unit for unit, each in registry.jobs_of(folder).items()}
        if job in units or time.monotonic() > end:
            return units.get(job)
        time.sleep(0.5)


def _cause(folder: Path, unit: str, owner: Owner, code: int) -> tuple[str, int, str]:
    """Return (state, kept steps, why): killed is a fault of the machines, failed is not."""
    plain = written.read_plain(folder)
    node: dict[str, Any] = plain["stages"].get(unit) or plain["evaluations"][unit]
    place = layout.stage_folder(Path(plain["outputs"]), node["name"], unit)
    kept = layout.checkpoints(place)
    step = kept[0].step if kept else 0
    if _cancelled(owner):
        return "cancelled", step, "cancelled"
    failure = _failure(place, owner)
    if code == HUNG_EXIT or (failure is not None and failure.get("kind") == "Hung"):
        return "killed", step, str(failure["error"]) if failure else "a rank hung"
    if failure is not None and not failure.get("echo"):
        return "failed", step, str(failure["error"])
    said = _said(folder, owner)
    # srun ends the others after the first, and then the code of the job may be theirs.
    codes = {code, *map(int, _EXITED.findall(said))}
    if UNWRITTEN_EXIT in codes:
        return "failed", step, registry.UNWRITTEN
    if MeetingError.exit_code in codes:
        return "killed", step, "its processes could not meet; the log of each says where"
    if any(word in said.lower() for word in _OUT_OF_MEMORY):
        return "failed", step, "out of memory: SLURM or the kernel killed a process of the job"
    if failure is not None or int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        dead = _DEAD.search(said)
        if dead is not None:
            return "killed", step, f"rank {dead['rank']} on {dead['node']} was ended: {dead['how']}"
        if failure is not None:
            return "killed", step, f"a rank ended without a word; another saw {failure['error']}"
    if code in (1, 2, Interrupted.exit_code):
        return "failed", step, f"exit code {code} before it could say why; its log says more"
    return "killed", step, f"a process of the job was ended by {_words(code)}"


def left_to_say(folder: Path, unit: str, owner: Owner) -> bool:
    """Tell whether a job failed because a rank of it was gone: why, srun alone can tell."""
    plain = written.read_plain(folder)
    node = plain["stages"].get(unit) or plain["evaluations"][unit]
    place = layout.stage_folder(Path(plain["outputs"]), node["name"], unit)
    return bool((_failure(place, owner) or {}).get("echo"))


def _failure(place: Path, owner: Owner) -> dict[str, Any] | None:
    """Return what the first rank to fail wrote in this start of the job, if any did."""
    attempts = layout.attempts(place)
    own = attempts[-1] if attempts and _is_of(attempts[-1], owner) else None
    return first_failure(own) if own is not None else None


def _is_of(attempt: Path, owner: Owner) -> bool:
    about = layout.read_json(attempt / "attempt.json", records.ATTEMPT) or {}
    by = about.get("owner") or {}
    return (by.get("job"), by.get("restart")) == (owner.job, owner.restart)


def _cancelled(owner: Owner) -> bool:
    try:
        return commands.show(owner.job or "").get("JobState", "").startswith("CANCELLED")
    except SlurmError:
        return False  # the controller does not answer; then nobody cancelled through it either


def _said(folder: Path, owner: Owner) -> str:
    """Return the end of what srun and slurmstepd wrote in this start of the job.

    Accounting would tell of a lack of memory only after the job.
    """
    said = ""
    for path in (folder / script.JOBS_FOLDER).glob(f"{owner.job}_0_log.*"):
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL))
            text = stream.read().decode(errors="replace")
        # Every rank names its log first, and with it the start of the job.
        said += text.rpartition(f"/{owner.job}.{owner.restart}/rank")[2]
    return said


def _words(code: int) -> str:
    if code <= 128:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(code - 128).name}"
    except ValueError:
        return f"exit code {code}"


if __name__ == "__main__":
    sys.exit(main())
