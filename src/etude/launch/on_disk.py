"""How a node of a graph ended, as its folder tells: for those who did not do it themselves."""

from __future__ import annotations

from etude.execute.outcomes import Outcome
from etude.plan import layout, records
from etude.plan.nodes import EvaluationNode, Graph


def on_disk(graph: Graph, fingerprint: str) -> Outcome | None:
    """Return how a node ended as its folder tells; None where it is not finished."""
    node = graph.node(fingerprint)
    if isinstance(node, EvaluationNode):
        folder = layout.evaluation_folder(graph.outputs, node.name, fingerprint)
        if layout.finished(folder) is None:
            return None
        result = layout.read_json(folder / "result.json", records.MEASURED)
        return None if result is None else Outcome("done", str(folder), evaluation=result)
    folder = layout.stage_folder(graph.outputs, node.name, fingerprint)
    done = layout.finished(folder)
    return None if done is None else Outcome("done", str(folder), float(done.get("seconds") or 0.0))
