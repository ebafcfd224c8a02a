"""From checked runs to one graph: equal fingerprints are one node, parents come before children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from etude.errors import ConfigError, Fault
from etude.plan.digest import FileHashes
from etude.plan.fingerprint import (
    DEMONSTRATION,
    Fingerprints,
    Inputs,
    model_identity,
)
from etude.plan.nodes import EvaluationNode, GateEdge, Graph, ModelRef, Run, RunStage, StageNode
from etude.schema import ComponentInfo, Schema

#: Learners that hand on rows and no model: what comes next starts where they started.
DATA_LEARNERS = frozenset({"generate"})


class MemberLike(Protocol):
    """One composed command: see ``config.compose.Member``."""

    @property
    def overrides(self) -> Sequence[str]:
        """What was typed."""

    @property
    def root(self) -> dict[str, Any]:
        """The composed root."""


class StageLike(Protocol):
    """One resolved stage of a member: see ``config.resolve.StageConfig``."""

    @property
    def name(self) -> str:
        """The stage's name."""

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""

    @property
    def learner(self) -> str:
        """The learner its objective names."""

    @property
    def after(self) -> Sequence[str]:
        """The stages it waits for."""

    @property
    def start_from(self) -> str | None:
        """What it starts from: base, a stage, a path; None: the predecessor."""

    @property
    def gate(self) -> Mapping[str, Any] | None:
        """The condition on its evaluation."""

    @property
    def resources(self) -> Mapping[str, Any]:
        """What it asks of a cluster."""


def build_graph(
    runs: Sequence[tuple[MemberLike, Sequence[StageLike]]],
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
    hashes = FileHashes(graph.outputs)
    prints = Fingerprints(schema, hashes)
    measured: dict[str, str] = {}
    for member, stages in runs:
        graph.runs.append(_Planner(graph, prints, hashes, member, stages, measured).run())
    hashes.save()
    return graph


def _outputs(root: dict[str, Any]) -> str:
    """Return the setting ``outputs``, its interpolations (``${oc.env:SCRATCH}``) replaced."""
    written = str(root.get("outputs") or "outputs")
    if "${" not in written:
        return written
    from omegaconf import OmegaConf

    return str(OmegaConf.create(root)["outputs"])


@dataclass
class _Placed:
    """A stage of the run being planned, once its node is known."""

    node: StageNode
    view: RunStage


class _Planner:
    """Plans one run into the graph; a stage is planned after the stages it needs."""

    def __init__(
        self,
        graph: Graph,
        prints: Fingerprints,
        hashes: FileHashes,
        member: MemberLike,
        stages: Sequence[StageLike],
        measured: dict[str, str],
    ) -> None:
        self._graph = graph
        self._prints = prints
        self._hashes = hashes
        self._member = member
        self._measured = measured
        self._stages = {stage.name: stage for stage in stages}
        self._placed: dict[str, _Placed] = {}
        self._waiting: list[str] = []
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

    def _place(self, name: str, asked_by: str = "") -> _Placed:
        if name in self._placed:
            return self._placed[name]
        if name not in self._stages:
            known = ", ".join(self._stages)
            message = f"names the stage '{name}', which is not in this pipeline ({known})."
            raise ConfigError([Fault(f"stages.{asked_by}", message)])
        if name in self._waiting:
            circle = " → ".join([*self._waiting[self._waiting.index(name) :], name])
            raise ConfigError([Fault(f"stages.{name}", f"waits for itself: {circle}.")])
        self._waiting.append(name)
        placed = self._plan(self._stages[name])
        self._waiting.pop()
        self._placed[name] = placed
        return placed

    def _plan(self, stage: StageLike) -> _Placed:
        config = stage.config
        after = [self._place(name, stage.name) for name in stage.after]
        start_stage, start = self._start(stage, after)
        sampler = (config.get("rollout") or {}).get("model_from")
        rollout_stage, rollout_from = (
            self._model(stage, sampler, "rollout.model_from") if sampler else (None, None)
        )
        data = self._data(stage)
        givers = [placed for placed in (start_stage, rollout_stage) if placed is not None]
        parents = [placed.node.fingerprint for placed in (*givers, *data.values())]
        inputs = Inputs(
            start=self._identity(start, start_stage),
            rollout_from=None if rollout_from is None else self._identity(rollout_from, None),
            stages={
                config["sources"][source]["from_stage"]: placed.node.fingerprint
                for source, placed in data.items()
            },
        )
        identity = self._prints.stage(config, stage.learner, inputs)
        measured = stage.learner not in DATA_LEARNERS and evaluates(config)
        before = self._measure(stage, start, start_stage, "base") if measured else None
        waits = [*parents, *(placed.node.fingerprint for placed in after)]
        node = StageNode(
            name=stage.name,
            fingerprint=identity.fingerprint,
            lineage=identity.lineage,
            config=config,
            learner=stage.learner,
            parents=tuple(dict.fromkeys(parents)),
            after=tuple(dict.fromkeys(waits)),
            start=start,
            rollout_from=rollout_from,
            data_from={source: placed.node.fingerprint for source, placed in data.items()},
            gate=stage.gate,
            kept=_keeps(start_stage),
            resources=stage.resources or {},
            hands_on_model=stage.learner not in DATA_LEARNERS,
            extendable=_extendable(identity.components),
            fresh=stage.name in self._fresh,
        )
        node = self._add(node)
        own = self._measure(stage, node.fingerprint, None, stage.name) if measured else None
        gates = [placed.view.gate for placed in [*after, *givers] if placed.view.gate is not None]
        view = RunStage(
            name=stage.name,
            stage=node.fingerprint,
            before=before,
            after=own,
            waits_for=tuple(dict.fromkeys(waits)),
            gate=self._gate(stage, node.fingerprint, own),
            gates=tuple(dict.fromkeys(gates)),
        )
        return _Placed(node, view)

    def _add(self, node: StageNode) -> StageNode:
        """Return the graph's node with this fingerprint, adding it when it is the first."""
        if node.fingerprint not in self._graph.stages:
            self._graph.stages[node.fingerprint] = node
            self._graph.order.append(node)
        return self._graph.stages[node.fingerprint]

    def _start(self, stage: StageLike, after: list[_Placed]) -> tuple[_Placed | None, ModelRef]:
        """Return the stage a stage starts from (None: no stage) and the model."""
        if stage.start_from == "base":
            return None, None
        if stage.start_from is not None:
            return self._model(stage, stage.start_from, "start_from")
        for placed in reversed(after):
            if placed.node.hands_on_model:
                return placed, placed.node.fingerprint
        if after:
            return self._through(after[-1])
        return None, None

    def _model(self, stage: StageLike, named: str, key: str) -> tuple[_Placed | None, ModelRef]:
        """Return what a reference to a model means: the model of a stage, or a folder."""
        if named in self._stages:
            placed = self._place(named, f"{stage.name}.{key}")
            if not placed.node.hands_on_model:
                return self._through(placed)
            return placed, placed.node.fingerprint
        path = Path(named).expanduser()
        if not path.is_dir():
            known = ", ".join(self._stages)
            message = f"is neither a stage of this pipeline ({known}) nor a folder that exists."
            raise ConfigError([Fault(f"stages.{stage.name}.{key}={named}", message)])
        return None, path.absolute()

    def _through(self, placed: _Placed) -> tuple[_Placed | None, ModelRef]:
        """Return the model that a stage without one of its own passes on: the one it was given."""
        start = placed.node.start
        if isinstance(start, str):
            giver = next(p for p in self._placed.values() if p.node.fingerprint == start)
            return giver, start
        return None, start

    def _data(self, stage: StageLike) -> dict[str, _Placed]:
        """Return source → the stage that writes its rows, for the sources a stage reads."""
        sources = stage.config.get("sources") or {}
        found = {}
        for source in self._prints.training_sources(stage.config):
            writer = (sources[source] or {}).get("from_stage")
            if writer is not None:
                found[source] = self._place(writer, f"{stage.name}: sources.{source}.from_stage")
        return found

    def _identity(self, model: ModelRef, giver: _Placed | None) -> Any:
        """Return what identifies a model, with the gate that may put an earlier one there."""
        identity = model_identity(model, self._hashes)
        gate = _keeps(giver)
        if gate is None:
            return identity
        return {**identity, "gate": [gate.evaluation, gate.metric, gate.at_least]}

    def _measure(self, stage: StageLike, model: ModelRef, giver: _Placed | None, name: str) -> str:
        """Return the evaluation of a model under a stage's config, added to the graph if new."""
        if giver is not None:
            name = giver.node.name
        elif isinstance(model, Path):
            name = model.name
        data = self._held_out_data(stage)
        without = self._prints.without_demonstrations(stage.config)
        plain = self._prints.evaluation(without, model, data)
        if (stage.config.get("data_mix") or {}).get(DEMONSTRATION) is not None:
            fingerprint = self._prints.evaluation(stage.config, model, data)
        else:
            # One that also has the loss on demonstrations serves where none is asked for.
            fingerprint = self._measured.get(plain, plain)
        if fingerprint not in self._graph.evaluations:
            fresh = isinstance(model, str) and self._graph.stages[model].fresh
            node = EvaluationNode(name, fingerprint, stage.config, model, data, fresh)
            self._graph.evaluations[fingerprint] = node
            self._graph.order.append(node)
        self._measured.setdefault(plain, fingerprint)
        return fingerprint

    def _held_out_data(self, stage: StageLike) -> dict[str, str]:
        """Return stage name → fingerprint of the stages whose rows are measured on."""
        sources = stage.config.get("sources") or {}
        held_out = self._prints.held_out_sources(stage.config)
        writers = [(sources[name] or {}).get("from_stage") for name in held_out]
        # A stage that is still to come has no rows to measure on; the evaluation says so.
        return {
            name: self._placed[name].node.fingerprint for name in writers if name in self._placed
        }

    def _gate(self, stage: StageLike, fingerprint: str, evaluation: str | None) -> GateEdge | None:
        if not stage.gate:
            return None
        if evaluation is None:
            message = "needs the stage's evaluation, which is switched off: evaluation.problems=100"
            raise ConfigError([Fault(f"stages.{stage.name}.gate", message)])
        return GateEdge(
            stage=fingerprint,
            evaluation=evaluation,
            metric=str(stage.gate.get("metric", "pass@1")),
            at_least=float(stage.gate.get("at_least", 0.0)),
            on_fail=str(stage.gate.get("on_fail", "stop")),
        )


def _keeps(giver: _Placed | None) -> GateEdge | None:
    """Return the gate that may put an earlier model in the place of a stage's own."""
    gate = giver.view.gate if giver is not None else None
    return gate if gate is not None and gate.on_fail == "keep_previous" else None


def evaluates(config: Mapping[str, Any]) -> bool:
    """Tell whether a stage config asks for evaluations (null or 0 problems do not)."""
    node = config.get("evaluation")
    return bool(node) and (node or {}).get("problems", 1) != 0


def _extendable(components: Sequence[ComponentInfo]) -> bool:
    """Tell whether more steps continue a stage as if it had been asked for them at once.

    That holds when no part of it depends on the number of steps.
    """
    return not any(info.depends_on_steps for info in components)
