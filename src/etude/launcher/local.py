"""Run a graph of stages in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etude.component import component

if TYPE_CHECKING:
    from etude.plan.nodes import Graph


@component()
@dataclass(frozen=True)
class Local:
    """In this process, one stage after the other.

    A stage that asks for several processes (resources.tasks_per_node) gets them by torchrun.
    """

    def launch(self, graph: Graph, root: Mapping[str, Any]) -> int:
        """Do everything the graph asks for and return the exit code."""
        from etude.execute.local import run
        from etude.view import make_observers

        return run(graph, make_observers(dict(root)))
