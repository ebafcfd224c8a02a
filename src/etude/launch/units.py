"""A graph cut into units of work: a stage with the evaluations of its model is one job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from etude.plan.nodes import EvaluationNode, Graph, StageNode, stages_of

Node = StageNode | EvaluationNode


@dataclass(frozen=True)
class Unit:
    """What one job does, in order; ``parents`` are the units that must have ended well before it.

    ``fingerprint`` and ``name`` are those of its stage, or of the evaluation that stands alone;
    ``resources`` those of its stage, or of the stage whose config measures.
    """

    fingerprint: str
    name: str
    nodes: tuple[Node, ...]
    parents: tuple[str, ...] = ()
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> StageNode | None:
        """Return the stage that is trained, if any."""
        return next((node for node in self.nodes if isinstance(node, StageNode)), None)


def units_of(graph: Graph) -> dict[str, Unit]:
    """Return the units of a graph by fingerprint, parents first.

    A model is measured by the unit of the stage that makes it; the base model, or a folder, by the
    first stage that asks for it. What is measured on the rows of other stages is left to a stage
    that rests on these, so that no unit waits for one that waits for it.
    """
    owners = _owners(graph)
    members: dict[str, list[Node]] = {}
    for node in graph.order:
        members.setdefault(owners.get(node.fingerprint, node.fingerprint), []).append(node)
    gates = _gates_elsewhere(graph, owners)
    ordered = [node.fingerprint for node in graph.order if node.fingerprint in members]
    return {key: _unit(graph, key, members[key], gates.get(key, ())) for key in ordered}


def _owners(graph: Graph) -> dict[str, str]:
    """Return evaluation → the unit it belongs to: that of a stage, or one of its own.

    What a gate reads is measured by the gated stage or alone: who waits for it need not wait for
    another stage that asks for it too.
    """
    views = [view for run in graph.runs for view in run.stages]
    gated = {gate.evaluation for view in views for gate in view.gates}
    asking: dict[str, list[str]] = {}
    for view in views:
        for each in view.evaluations:
            if each.before is not None and each.before not in gated:
                asking.setdefault(each.before, []).append(view.stage)
    before: dict[str, set[str]] = {}

    def has(stage: str, needed: set[str]) -> bool:
        if needed <= {stage}:
            return True
        if stage not in before:
            before[stage] = set(ancestors(graph, [stage]))
        return needed <= before[stage]

    found = {}
    for key, measured in graph.evaluations.items():
        stages = [*filter(None, [measured.stage]), *asking.get(key, ())]
        needed = set(stages_of(measured.inputs))
        found[key] = next((stage for stage in stages if has(stage, needed)), key)
    return found


def _gates_elsewhere(graph: Graph, owners: Mapping[str, str]) -> dict[str, list[str]]:
    """Return stage → the evaluations that its gates read and that no stage's unit measures.

    One that comes after the stage in the graph is of a run that does not decide whether it runs.
    """
    place = {node.fingerprint: number for number, node in enumerate(graph.order)}
    found: dict[str, list[str]] = {}
    for run in graph.runs:
        for view in run.stages:
            for gate in view.gates:
                for read in filter(None, (gate.evaluation, gate.before)):
                    if owners.get(read) == read and place[read] < place[view.stage]:
                        found.setdefault(view.stage, []).append(read)
    return found


def _unit(graph: Graph, fingerprint: str, nodes: list[Node], gates: Iterable[str]) -> Unit:
    needs: list[str] = []
    for node in nodes:
        if isinstance(node, StageNode):
            needs += node.after
        else:
            needs += stages_of(node.inputs)
    parents = tuple(dict.fromkeys(each for each in [*needs, *gates] if each != fingerprint))
    name, resources = graph.node(fingerprint).name, _resources(graph, fingerprint)
    return Unit(fingerprint, name, tuple(nodes), parents, resources)


def _resources(graph: Graph, fingerprint: str) -> Mapping[str, Any]:
    """Return what a stage asks of a cluster, or the first stage that asks for an evaluation."""
    if fingerprint in graph.stages:
        return graph.stages[fingerprint].resources
    views = (view for run in graph.runs for view in run.stages)
    asking = (view.stage for view in views if fingerprint in view.measured)
    return next((graph.stages[stage].resources for stage in asking), {})


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
