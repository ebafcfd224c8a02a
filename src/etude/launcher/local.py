"""Run a graph of stages in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.by_path import copies
from etude.component import component

if TYPE_CHECKING:
    from etude.launcher.local_pool import LocalPool
    from etude.plan.nodes import Graph


@component()
@dataclass(frozen=True)
class Local:
    """In this process, one stage after the other.

    A stage that asks for several processes (resources.tasks_per_node) gets them by torchrun.
    """

    def launch(self, graph: Graph, root: Mapping[str, Any]) -> int:
        """Do everything the graph asks for and return the exit code."""
        _refuse_torchrun()
        if _several_processes(graph):
            return self._pool().launch(graph, root)
        from etude.execute.local import check_outputs, run
        from etude.execute.run_folder import make
        from etude.launch import written
        from etude.launch.fresh import move_fresh_aside
        from etude.launch.slurm.alive import asker
        from etude.view import make_observers

        check_outputs(graph)
        move_fresh_aside(graph)
        observers = make_observers(dict(root))
        graph.folder = make(graph)
        written.write(graph, root["launcher"])
        with copies.used(graph.folder):
            return run(graph, observers, job_state=asker())

    def resume(self, folder: Path) -> int:
        """Go on with the run in a folder and return the exit code."""
        from etude.execute.local import run
        from etude.launch import written
        from etude.launch.slurm.alive import asker
        from etude.view import make_observers

        graph, _ = written.read(folder)
        if _several_processes(graph):
            return self._pool().resume(folder)
        with copies.used(folder):
            return run(graph, make_observers(graph.runs[0].root), job_state=asker())

    def planned(self, graph: Graph) -> Iterator[str]:
        """Yield nothing: the plan says what runs, and it runs here."""
        yield from ()

    def _pool(self) -> LocalPool:
        from etude.launcher.local_pool import LocalPool

        return LocalPool(workers=1)


def _refuse_torchrun() -> None:
    """Refuse to be several processes: each would plan and begin a run of its own."""
    from etude.distributed.world import announced
    from etude.errors import ConfigError, Fault

    world = announced()
    if not world.is_alone:
        message = (
            f"started {world.size} of this command. `train` starts the processes of a stage itself:"
            f" without torchrun, stages.NAME.resources.tasks_per_node={world.size}."
        )
        raise ConfigError([Fault(f"WORLD_SIZE={world.size}", message)])


def _several_processes(graph: Graph) -> bool:
    from etude.config.settings import Resources
    from etude.launch.resources import shape_of

    stages = graph.stages.values()
    return any(shape_of(node.resources, Resources()).tasks > 1 for node in stages)
