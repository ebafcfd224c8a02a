"""Whether the job that holds a stage still runs, asked of SLURM."""

from __future__ import annotations

import shutil
from typing import Literal

from etude.errors import SlurmError
from etude.execute.lock import JobState
from etude.launch.slurm import commands

_AT_WORK = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
_FORGOTTEN = "invalid job id"


def asker() -> JobState | None:
    """Return what asks SLURM about a job, or None on a machine without SLURM."""
    return job_state if shutil.which("scontrol") else None


def job_state(job: str) -> Literal["running", "gone", "unknown"]:
    """Return whether a job is at work; one that waits to be started again is not."""
    try:
        state = commands.show(job).get("JobState", "")
    except SlurmError as error:
        return "gone" if _FORGOTTEN in str(error).lower() else "unknown"
    if not state:
        return "unknown"
    return "running" if state.startswith(_AT_WORK) else "gone"
