"""What is asked for afresh is moved aside once, before it is handed over; a requeue must not."""

from __future__ import annotations

from dataclasses import replace

from etude.errors import StageError
from etude.execute.lock import holder, is_held, locked
from etude.execute.stage_folder import move_aside
from etude.plan import layout
from etude.plan.nodes import Graph, StageNode


def move_fresh_aside(graph: Graph) -> None:
    """Move the folders of fresh nodes aside and have the graph ask for them as for any other.

    Raises StageError while another process works on one of them.
    """
    fresh = [node for node in graph.order if node.fresh]
    for node in fresh:
        if is_held(graph.outputs, node.fingerprint):
            raise StageError(
                f"{node.name} ({node.fingerprint[:8]}) is asked for afresh, and "
                f"{holder(graph.outputs, node.fingerprint)} is working on it; cancel that first"
            )
    for node in fresh:
        find = layout.stage_folder if isinstance(node, StageNode) else layout.evaluation_folder
        with locked(graph.outputs, node.fingerprint, waiting=print):
            move_aside(find(graph.outputs, node.name, node.fingerprint))
    for key, stage in graph.stages.items():
        graph.stages[key] = replace(stage, fresh=False)
    for key, measured in graph.evaluations.items():
        graph.evaluations[key] = replace(measured, fresh=False)
    graph.order[:] = [graph.node(node.fingerprint) for node in graph.order]
