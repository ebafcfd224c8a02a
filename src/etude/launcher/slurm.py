"""Run a graph of stages as jobs of a SLURM cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.component import component
from etude.launch.slurm.settings import SlurmSettings

if TYPE_CHECKING:
    from etude.plan.nodes import Graph


@component()
@dataclass(frozen=True)
class Slurm(SlurmSettings):
    """On a SLURM cluster through submitit: one job a stage, like stages as arrays.

    The keys of a stage's `resources` stand here as defaults for every stage. The command returns
    when the jobs are submitted.
    """

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
