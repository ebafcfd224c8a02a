"""What is asked of a SLURM cluster: the keys of ``launcher=slurm``, for whoever submits."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import option
from etude.config.settings import Resources


@dataclass(frozen=True)
class SlurmSettings(Resources):
    """The settings of a launcher on SLURM; resources are the defaults of every stage."""

    in_flight: int = option(
        256, "tasks of one job array that run at the same time", kind="execution", ge=1, le=100_000
    )
    most_jobs: int | None = option(
        None,
        "jobs of a run in the queue at once, the rest follows as they end; null: what SLURM lets",
        kind="execution",
        ge=1,
        le=1_000_000,
    )
    signal_seconds: int = option(
        120,
        "seconds before the time limit at which a stage saves and asks to be requeued",
        kind="execution",
        ge=5,
        le=86_400,
    )
    requeue: bool = option(
        True, "take a job up again after a time limit, a preemption or a fault", kind="execution"
    )
    retries: int = option(
        2,
        "times a stage is taken up again after a fault of the machines, or with no step done",
        kind="execution",
        ge=0,
        le=1000,
    )
    python: str | None = option(
        None, "Python of the jobs; null: the one that submits", kind="execution"
    )
    wait: bool = option(
        False, "follow the run to its end instead of returning at once", kind="execution"
    )
