"""Run a graph of stages in worker processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.component import component, option

if TYPE_CHECKING:
    from etude.plan.nodes import Graph


@component()
@dataclass(frozen=True)
class LocalPool:
    """In worker processes on this machine, several stages at once, each with GPUs of its own."""

    workers: int | None = option(
        None,
        "stages at a time; null: as many as the GPUs (or half the cores) allow",
        kind="execution",
        ge=1,
        le=4096,
    )
    gpus: list[int] | None = option(
        None, "GPUs that are shared out, by number; null: all of this machine", kind="execution"
    )

    def launch(self, graph: Graph, root: Mapping[str, Any]) -> int:
        """Do everything the graph asks for and return the exit code."""
        from etude.launch.pool import Share, run

        return run(graph, Share(self.workers, self.gpus), root)

    def resume(self, folder: Path) -> int:
        """Go on with the run in a folder and return the exit code."""
        from etude.launch.pool import Share, take_up

        return take_up(folder, Share(self.workers, self.gpus))

    def planned(self, graph: Graph) -> Iterator[str]:
        """Yield how many stages run at a time."""
        from etude.launch.pool import Share, at_a_time

        yield f" local_pool   {at_a_time(Share(self.workers, self.gpus))} stages at a time"
