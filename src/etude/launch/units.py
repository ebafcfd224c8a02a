"""A graph cut into units of work: a stage with the evaluations of its model is one job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etude.plan.nodes import EvaluationNode, Graph, StageNode

Node = StageNode | EvaluationNode


@dataclass(frozen=True)
class Unit:
    """What one job does, in order; ``parents`` are the units that must have ended well before it.

    ``fingerprint`` and ``name`` are those of its stage, or of the evaluation that stands alone.
    """

    fingerprint: str
    name: str
    nodes: tuple[Node, ...]
    parents: tuple[str, ...] = ()

    @property
    def stage(self) -> StageNode | None:
        """Return the stage that is trained, if any."""
        return next((node for node in self.nodes if isinstance(node, StageNode)), None)


def units_of(graph: Graph) -> dict[str, Unit]:
    """Return the units of a graph by fingerprint, parents first.

    A model is measured by the unit of the stage that makes it; the base model, or a folder, by the
    first stage that asks for it.
    """
    owner: dict[str, str] = {}
    for run in graph.runs:
        for view in run.stages:
            if view.before is not None:
                owner.setdefault(view.before, view.stage)
    for fingerprint, measured in graph.evaluations.items():
        if isinstance(measured.model, str):
            owner[fingerprint] = measured.model
    members: dict[str, list[Node]] = {}
    for node in graph.order:
        members.setdefault(owner.get(node.fingerprint, node.fingerprint), []).append(node)
    ordered = [node.fingerprint for node in graph.order if node.fingerprint in members]
    return {key: _unit(graph, key, members[key]) for key in ordered}


def _unit(graph: Graph, fingerprint: str, nodes: list[Node]) -> Unit:
    needs: list[str] = []
    for node in nodes:
        if isinstance(node, StageNode):
            needs += node.after
        else:
            needs += node.data_from.values()
    parents = tuple(dict.fromkeys(each for each in needs if each != fingerprint))
    return Unit(fingerprint, graph.node(fingerprint).name, tuple(nodes), parents)


def ancestors(graph: Graph, fingerprints: Iterable[str]) -> Iterator[str]:
    """Yield every stage that the given stages rest on, each once."""
    seen: set[str] = set()
    waiting = list(fingerprints)
    while waiting:
        fingerprint = waiting.pop()
        if fingerprint in seen or fingerprint not in graph.stages:
            continue
        seen.add(fingerprint)
        yield fingerprint
        node = graph.stages[fingerprint]
        waiting += node.after
