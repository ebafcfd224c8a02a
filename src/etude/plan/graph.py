"""From checked runs to one graph: equal fingerprints are one node, parents come before children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from etude.config.evaluations import MAIN, in_view, measuring, metric_of, view
from etude.config.handed_on import chosen_by
from etude.config.sharing import ByIdentity
from etude.errors import ConfigError, Fault
from etude.plan.by_name import StageLike
from etude.plan.contents import Contents
from etude.plan.digest import FileHashes
from etude.plan.fingerprint import DEMONSTRATION, Fingerprints, identity
from etude.plan.inputs import reader_of
from etude.plan.nodes import (
    MEASURED,
    START,
    EvaluationNode,
    GateEdge,
    Graph,
    Measured,
    Run,
    RunStage,
    StageNode,
    stages_of,
)
from etude.plan.other_code import OtherCode
from etude.plan.outputs import Outputs
from etude.plan.references import MODEL, ROLES, Input, Made, Reference, each_of
from etude.schema import ComponentInfo, Schema


class MemberLike(Protocol):
    """One composed command: see ``config.compose.Member``."""

    @property
    def overrides(self) -> Sequence[str]:
        """What was typed."""

    @property
    def root(self) -> dict[str, Any]:
        """The composed root."""


class GraphStage(StageLike, Protocol):
    """One resolved stage of a member, as far as a graph is concerned."""

    @property
    def resources(self) -> Mapping[str, Any]:
        """What it asks of a cluster."""


def build_graph(
    runs: Sequence[tuple[MemberLike, Sequence[GraphStage]]],
    *,
    outputs: Path | None = None,
    schema: Schema | None = None,
) -> Graph:
    """Return the graph of all runs, in the order they were given.

    ``outputs`` defaults to the first run's setting and ``schema`` to all installed components.
    Raises ConfigError where stages wait for each other or name a stage that is not in the pipeline.
    """
    if schema is None:
        from etude.schema import load

        schema = load()
    place = outputs or Path(_outputs(runs[0][0].root))
    graph = Graph({}, {}, [], [], place.expanduser().absolute())
    common = _Common(graph, schema)
    for member, stages in runs:
        graph.runs.append(_Planner(common, member, stages).run())
    common.hashes.save()
    other = common.other
    graph.changed, graph.accepted, graph.older = other.changed, other.accepted, other.older
    return graph


def _outputs(root: dict[str, Any]) -> str:
    """Return the setting ``outputs``, its interpolations (``${oc.env:SCRATCH}``) replaced."""
    written = str(root.get("outputs") or "outputs")
    if "${" not in written:
        return written
    from omegaconf import OmegaConf

    return str(OmegaConf.create(root)["outputs"])


class _Common:
    """What the planners of all runs share."""

    def __init__(self, graph: Graph, schema: Schema) -> None:
        self.graph = graph
        self.hashes = FileHashes(graph.outputs)
        self.prints = Fingerprints(schema, self.hashes)
        self.outputs = Outputs(schema)
        self.inputs = reader_of(schema, self.prints.sources)
        self.other = OtherCode(graph.outputs)
        self.views: ByIdentity[dict[str, Any]] = ByIdentity()
        #: The print of an evaluation without a loss on demonstrations → the one that serves.
        self.measured: dict[str, str] = {}
        self.contents = Contents(self.hashes)


@dataclass
class _Placed:
    """A stage of the run being planned, once its node is known."""

    node: StageNode
    view: RunStage


class _Planner:
    """Plans one run into the graph; a stage is planned after the stages it needs."""

    def __init__(self, common: _Common, member: MemberLike, stages: Sequence[GraphStage]) -> None:
        self._common = common
        self._graph = common.graph
        self._prints = common.prints
        self._member = member
        self._stages = {stage.name: stage for stage in stages}
        self._given, misfits = common.inputs.of(stages)
        if misfits:
            raise ConfigError(
                [Fault(f"stages.{each.stage}.{each.path}", each.message) for each in misfits]
            )
        self._placed: dict[str, _Placed] = {}
        fresh = member.root.get("fresh") or False
        self._fresh = set(self._stages) if fresh is True else set(fresh or ())

    def run(self) -> Run:
        """Plan every stage and return the run."""
        for name in self._stages:
            self._place(name)
        root = self._member.root
        return Run(
            name=str(
                root.get("name") or getattr(self._member, "choices", {}).get("recipe") or "run"
            ),
            overrides=tuple(self._member.overrides),
            stages=tuple(self._placed[name].view for name in self._stages),
            root=root,
            warnings=tuple(getattr(self._member, "warnings", ())),
        )

    def _place(self, name: str) -> _Placed:
        """Return a stage's place, planned after the stages it needs; none waits for itself."""
        if name not in self._placed:
            self._placed[name] = self._plan(self._stages[name])
        return self._placed[name]

    def _plan(self, stage: GraphStage) -> _Placed:
        config = stage.config
        earlier = [self._place(name) for name in stage.after]
        given = self._given[stage.name].trained
        beside = self._given[stage.name].evaluations
        measured_on = self._given[stage.name].measured
        for name in stages_of(measured_on):
            self._place(name)
        chosen = chosen_by(config)
        counting = {*self._prints.asked(config), *([chosen.evaluation] if chosen else [])}
        # What chooses the model counts, and what components hear of.
        of_those = [beside[name] for name in sorted(counting & beside.keys())]
        counted = {**given, **{path: each for one in of_those for path, each in one.items()}}
        often = bool((config.get("execution") or {}).get("evaluate_every"))
        # Whoever trains opens the held-out rows too, to say which prompts are in both.
        opened = {place: given for place, given in beside[MAIN].items() if _is_source(place)}
        given = {**given, **(measured_on if counting or often else opened)}
        givers = [self._place(name) for name in stages_of(given)]
        inputs = {place: self._planned(value) for place, value in given.items()}
        parents = stages_of(inputs)
        gates = [placed.view.gate for placed in givers]
        kept = tuple(gate for gate in gates if gate and gate.keeps)
        identity = self._prints.stage(
            config,
            stage.learner,
            _identities({place: inputs[place] for place in counted}, kept),
            self._plains(parents, kept),
        )
        code = identity.code_digest
        self._graph.codes.setdefault(code, identity.code)
        outputs = self._common.outputs.of(stage)
        names = measuring(config) if MODEL in outputs else []
        start = each_of(inputs[START])[0]
        before = {name: self._measure(stage, start, name) for name in names}
        waits = [*parents, *(placed.node.fingerprint for placed in earlier)]
        node = StageNode(
            name=stage.name,
            fingerprint=identity.fingerprint,
            lineage=identity.lineage,
            config=config,
            learner=stage.learner,
            parents=tuple(parents),
            after=tuple(dict.fromkeys(waits)),
            inputs=inputs,
            outputs=outputs,
            gate=stage.gate,
            kept=kept,
            resources=stage.resources or {},
            plain=identity.plain,
            code=code,
            extendable=_extendable(identity.components),
            fresh=stage.name in self._fresh,
        )
        accept = bool((config.get("execution") or {}).get("accept_code"))
        node = self._add(self._common.other.settle(node, identity.code, accept=accept))
        after = {name: self._measure(stage, Made(node.fingerprint), name, node) for name in names}
        gates = [placed.view.gate for placed in earlier] + gates
        same = self._same(node.fingerprint)
        if same is not None:  # it is trained already when its turn comes
            waits = list(same.waits_for)
        seen = RunStage(
            name=stage.name,
            stage=node.fingerprint,
            before=before.get(MAIN),
            after=after.get(MAIN),
            waits_for=tuple(dict.fromkeys(waits)),
            gate=self._gate(stage, node.fingerprint, before, after),
            gates=tuple(dict.fromkeys(gate for gate in gates if gate)),
            others=tuple(Measured(of, before[of], after[of]) for of in names if of != MAIN),
        )
        return _Placed(node, seen)

    def _same(self, fingerprint: str) -> RunStage | None:
        """Return the stage of this run that is the same piece of work, where one came before."""
        views = (placed.view for placed in self._placed.values())
        return next((view for view in views if view.stage == fingerprint), None)

    def _planned(self, value: Input) -> Input:
        """Return an input with the fingerprints of its stages and the hashes of its folders."""
        if isinstance(value, tuple):
            return tuple(self._planned_one(each) for each in value)
        return self._planned_one(value)

    def _planned_one(self, reference: Reference) -> Reference:
        if isinstance(reference, Made):
            return Made(self._placed[reference.stage].node.fingerprint, reference.output)
        return self._common.contents.of(reference)

    def _plains(self, parents: Sequence[str], kept: Sequence[GateEdge]) -> dict[str, str]:
        """Return the fingerprints that a stage's own counts → the same without code."""
        found = {parent: self._graph.stages[parent].plain for parent in parents}
        for gate in kept:
            node = self._graph.evaluations[gate.evaluation]
            plain = self._prints.evaluation(node.config, _identities(node.inputs), found)
            found[gate.evaluation] = plain
        return found

    def _add(self, node: StageNode) -> StageNode:
        """Return the graph's node with this fingerprint, adding it when it is the first."""
        if node.fingerprint not in self._graph.stages:
            self._graph.stages[node.fingerprint] = node
            self._graph.order.append(node)
        return self._graph.stages[node.fingerprint]

    def _measure(
        self, stage: GraphStage, model: Reference, of: str, own: StageNode | None = None
    ) -> str:
        """Return an evaluation of a model under a stage's config, added to the graph if new.

        Roles that the stage trains are measured with as its ``own`` node hands them on.
        """
        beside = self._given[stage.name].evaluations[of].items()
        given = {in_view(place, of): self._planned(value) for place, value in beside}
        inputs = {MEASURED: model, **given}
        if own:
            inputs |= {
                place: Made(own.fingerprint, output)
                for output in own.outputs
                if (place := f"models.{output.removeprefix(ROLES)}.load") in inputs
            }
        counted = _identities(inputs)
        config = self._common.views.of(partial(view, stage.config, of), stage.config, also=of)
        without = self._prints.without_demonstrations(config)
        plain = self._prints.evaluation(without, counted)
        if (config.get("data_mix") or {}).get(DEMONSTRATION) is not None:
            fingerprint = self._prints.evaluation(config, counted)
        else:
            # One that also has the loss on demonstrations serves where none is asked for.
            fingerprint = self._common.measured.get(plain, plain)
        if fingerprint not in self._graph.evaluations:
            fresh = isinstance(model, Made) and self._graph.stages[model.stage].fresh
            name = self._name_of(model) + ("" if of == MAIN else f".{of}")
            node = EvaluationNode(name, fingerprint, config, inputs, fresh, of)
            self._graph.evaluations[fingerprint] = node
            self._graph.order.append(node)
        self._common.measured.setdefault(plain, fingerprint)
        return fingerprint

    def _name_of(self, model: Reference) -> str:
        """Return what the evaluation of a model is called."""
        return self._graph.named(model).rpartition("/")[2]

    def _gate(
        self,
        stage: GraphStage,
        fingerprint: str,
        before: Mapping[str, str],
        measured: Mapping[str, str],
    ) -> GateEdge | None:
        if not stage.gate:
            return None
        of, metric = metric_of(str(stage.gate.get("metric", "pass@1")), stage.config)
        if of not in measured:
            message = "needs the stage's evaluation, which is switched off: evaluation.problems=100"
            raise ConfigError([Fault(f"stages.{stage.name}.gate", message)])
        return GateEdge(
            stage=fingerprint,
            evaluation=measured[of],
            metric=metric,
            of=of,
            at_least=_least(stage.gate),
            on_fail=str(stage.gate.get("on_fail", "stop")),
            rule=stage.gate.get("rule") or "",
            delta=float(stage.gate.get("delta", 0.0)),
            relative=bool(stage.gate.get("relative")),
            mode=str(stage.gate.get("mode", "max")),
            patience=stage.gate.get("patience"),
            before=before[of] if stage.gate.get("rule") else None,
        )


def _identities(inputs: Mapping[str, Input], kept: Sequence[GateEdge] = ()) -> dict[str, Any]:
    """Return what identifies inputs, with the gates that may put earlier models in their place."""
    gates = {gate.stage: gate.identity for gate in kept}
    return {place: identity(value, gates) for place, value in inputs.items()}


def _least(gate: Mapping[str, Any]) -> float | None:
    """Return the least value that passes a gate, None where a rule alone decides."""
    given = gate.get("at_least")
    if given is None:
        return None if gate.get("rule") else 0.0
    return float(given)


def _is_source(place: str) -> bool:
    """Tell whether a place holds what a source of rows reads."""
    return place.startswith("sources.")


def _extendable(components: Sequence[ComponentInfo]) -> bool:
    """Tell whether more steps continue a stage as if it had been asked for them at once.

    That holds when no part of it depends on the number of steps.
    """
    return not any(info.depends_on_steps for info in components)
