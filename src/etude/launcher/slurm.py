"""Run a graph of stages as jobs of a SLURM cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.component import component, option
from etude.config.settings import Resources

if TYPE_CHECKING:
    from etude.plan.nodes import Graph


@component()
@dataclass(frozen=True)
class Slurm(Resources):
    """On a SLURM cluster through submitit: one job a stage, like stages as arrays.

    The keys of a stage's `resources` stand here as defaults for every stage. The command returns
    when the jobs are submitted.
    """

    in_flight: int = option(
        256, "tasks of one job array that run at the same time", kind="execution", ge=1
    )
    most_jobs: int | None = option(
        None,
        "jobs of a run in the queue at once, the rest follows as they end; null: what SLURM lets",
        kind="execution",
        ge=1,
    )
    signal_seconds: int = option(
        120,
        "seconds before the time limit at which a stage saves and asks to be requeued",
        kind="execution",
        ge=5,
    )
    requeue: bool = option(
        True, "take a job up again after a time limit, a preemption or a fault", kind="execution"
    )
    retries: int = option(
        2,
        "times a stage is taken up again after a fault of the machines, or with no step done",
        kind="execution",
        ge=0,
    )
    python: str | None = option(
        None, "Python of the jobs; null: the one that submits", kind="execution"
    )
    wait: bool = option(
        False, "follow the run to its end instead of returning at once", kind="execution"
    )

    def launch(self, graph: Graph, root: Mapping[str, Any]) -> int:
        """Submit everything the graph asks for and return the exit code."""
        from etude.launch.slurm.launch import launch

        return launch(graph, self, root)

    def resume(self, folder: Path) -> int:
        """Submit again what the run in a folder still needs, and return the exit code."""
        from etude.launch.slurm.launch import resume

        return resume(folder, self)

    def planned(self, graph: Graph) -> Iterator[str]:
        """Yield the arrays, their edges and the batch script of each shape of job."""
        from etude.launch.slurm.launch import planned

        yield from planned(graph, self)
