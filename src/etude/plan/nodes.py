"""The plan's nodes: what is trained, what is measured, and the runs that want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etude.config.evaluations import MAIN
from etude.gating import GateRule
from etude.plan.references import (
    MODEL,
    ROLES,
    Base,
    Input,
    Made,
    Reference,
    each_of,
    spelled,
    stage_of,
)

#: The inputs that a stage starts from and that an evaluation measures.
START = "start"
MEASURED = "model"


@dataclass(frozen=True)
class GateEdge:
    """A condition that a node waits for: a metric of a stage's last evaluation ``of`` that name.

    ``on_fail`` is ``stop`` (what waits does not run), ``keep_previous`` (what the gated stage
    started from is in the place of what it made) or ``continue``. Under a ``rule`` the value is
    compared with that of ``before``, the evaluation of what the stage started from
    (:mod:`etude.gating`); ``patience`` is how many in a row may fail before it stops.
    """

    stage: str
    evaluation: str
    metric: str
    at_least: float | None
    on_fail: str
    of: str = MAIN
    rule: str = ""
    delta: float = 0.0
    relative: bool = False
    mode: str = "max"
    patience: int | None = None
    before: str | None = None

    @property
    def keeps(self) -> bool:
        """Tell whether a failure puts an earlier model in the place of the stage's own."""
        return self.on_fail == "keep_previous"

    @property
    def identity(self) -> tuple[Any, ...]:
        """Return what decides whether it is passed, as it counts in fingerprints."""
        plain = (self.evaluation, self.metric, self.at_least)
        how = (self.rule, self.delta, self.relative, self.mode, self.before)
        return (*plain, *how) if self.rule else plain

    @property
    def gate_rule(self) -> GateRule:
        """Return how a value is compared with the best so far."""
        return GateRule(self.rule, self.delta, self.relative, self.mode)

    @property
    def written(self) -> str:
        """Return the metric as it is typed: ``ood/pass@1``, of main without its name."""
        return self.metric if self.of == MAIN else f"{self.of}/{self.metric}"


@dataclass(frozen=True)
class StageNode:
    """One stage to train, identified by ``fingerprint``.

    ``inputs`` maps the places of its references (``start``, ``rollout.model_from``,
    ``sources.made.from_stage``) to what they name, ``outputs`` are the folders it hands on.
    ``parents`` are the stages whose result it reads, ``after`` all that must have finished before
    it. ``kept`` are the gates that may put what a stage started from in the place of what it made.
    ``lineage`` is the fingerprint without ``training.steps``; ``extendable`` says that a stage of
    the same lineage may be continued. ``plain`` is the fingerprint without code, ``code`` the
    digest of that code.
    """

    name: str
    fingerprint: str
    lineage: str
    config: dict[str, Any]
    learner: str
    parents: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: tuple[str, ...] = (MODEL,)
    gate: Mapping[str, Any] | None = None
    kept: tuple[GateEdge, ...] = ()
    resources: Mapping[str, Any] = field(default_factory=dict)
    plain: str = ""
    code: str = ""
    extendable: bool = False
    fresh: bool = False

    @property
    def start(self) -> Reference:
        """Return what it starts from."""
        return _one(self.inputs, START)

    @property
    def hands_on_model(self) -> bool:
        """Tell whether it hands on a model, and not rows alone."""
        return MODEL in self.outputs

    @property
    def steps(self) -> int:
        """Return the number of steps its config asks for."""
        return int((self.config.get("training") or {}).get("steps", 0))

    @property
    def folder_name(self) -> str:
        """Return ``<name>-<fingerprint>``."""
        return f"{self.name}-{self.fingerprint}"


@dataclass(frozen=True)
class EvaluationNode:
    """One measurement of one model, identified by ``fingerprint``, named after the model's stage.

    ``of`` is the evaluation that asked for it first (others may share it), whose view of the
    stage ``config`` is; one beside main is in the name: ``rl.ood``. ``inputs`` are the model
    (``model``) and what its config names beside it, by their places.
    """

    name: str
    fingerprint: str
    config: dict[str, Any]
    inputs: Mapping[str, Input] = field(default_factory=dict)
    fresh: bool = False
    of: str = MAIN

    @property
    def model(self) -> Reference:
        """Return the model that is measured."""
        return _one(self.inputs, MEASURED)

    @property
    def stage(self) -> str | None:
        """Return the stage whose model is measured, None where no stage made it."""
        return stage_of(self.model)

    @property
    def folder_name(self) -> str:
        """Return ``<name>-<fingerprint>``."""
        return f"{self.name}-{self.fingerprint}"


@dataclass(frozen=True)
class Measured:
    """The evaluations called ``name`` of the model a stage starts from and of its own."""

    name: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class RunStage:
    """A stage as one run sees it: its own name for it, and what this run measures and waits for.

    ``before`` and ``after`` are the evaluations of the model it starts from and of its own; two
    runs may share the stage and not these (a sweep over verifiers). ``others`` are those beside
    main. ``waits_for`` are the stages that must have finished, ``gate`` is its own gate and
    ``gates`` are those it must pass.
    """

    name: str
    stage: str
    before: str | None = None
    after: str | None = None
    waits_for: tuple[str, ...] = ()
    gate: GateEdge | None = None
    gates: tuple[GateEdge, ...] = ()
    others: tuple[Measured, ...] = ()

    @property
    def evaluations(self) -> tuple[Measured, ...]:
        """Return all of its evaluations, main first."""
        return (Measured(MAIN, self.before, self.after), *self.others)

    @property
    def measured(self) -> list[str]:
        """Return the fingerprints of all of its evaluations, each once."""
        every = (key for each in self.evaluations for key in (each.before, each.after))
        return list(dict.fromkeys(key for key in every if key is not None))


@dataclass(frozen=True)
class Run:
    """One member of a sweep, or the only run of a command: its stages in the order they run."""

    name: str
    overrides: tuple[str, ...]
    stages: tuple[RunStage, ...]
    root: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changed:
    """A stage that is there as other code trained it.

    ``modules`` are those that differ, empty where only what it starts from (``follows``) does or
    where the other code is not known.
    """

    name: str
    folder: Path
    modules: tuple[str, ...]
    follows: str = ""
    finished: bool = True


@dataclass
class Graph:
    """Everything a command asks for, each piece of work once.

    ``order`` lists stages and evaluations so that what a node needs comes before it. ``folder`` is
    the folder of the run, ``state`` how it ended (done, failed, interrupted; empty before) and
    ``outcomes`` maps a fingerprint to how its node ended (see ``execute.outcomes``); execution
    fills all three. ``codes`` maps the digest of each code that trains its stages to the hashes of
    its modules, ``changed`` a fingerprint to the stage that is there as other code trained it, and
    ``accepted`` to that of the stage which is used for it; ``older`` maps the name of a stage that
    is not there to the folders of that name that another version of etude wrote. A graph that was
    read again has none of the four. ``whole`` are the runs of the whole command where ``runs`` are
    those that one job works for; empty where there are no others.
    """

    stages: dict[str, StageNode]
    evaluations: dict[str, EvaluationNode]
    order: list[StageNode | EvaluationNode]
    runs: list[Run]
    outputs: Path
    folder: Path | None = None
    state: str = ""
    outcomes: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    changed: dict[str, Changed] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    older: dict[str, list[Path]] = field(default_factory=dict)
    whole: list[Run] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the name of its only run, or ``sweep``."""
        return self.runs[0].name if len(self.runs) == 1 else "sweep"

    def named(self, reference: Reference) -> str:
        """Return what a node's reference names: ``sft``, ``value.critic``, a folder, ``base``."""
        if isinstance(reference, Made):
            reference = Made(self.stages[reference.stage].name, reference.output)
        return spelled(reference)

    def given(self, node: StageNode | EvaluationNode, *, models: bool = True) -> list[str]:
        """Return what a node is given that is not what it starts from: ``judge ← value.critic``.

        Roles and sources stand for their places; ``models`` leaves out the roles where it is False.
        """
        found = []
        for place, value in node.inputs.items():
            parts = place.split(".")
            if place in (START, MEASURED) or (parts[0] == "models" and not models):
                continue
            names = [self.named(each) for each in each_of(value) if each != node.inputs.get(START)]
            if names:
                key = parts[1] if parts[0] in ("models", "sources") else place
                found.append(f"{key} ← {', '.join(names)}")
        return found

    def beside(self, node: StageNode) -> str:
        """Return what a stage is given or trains beside the model it starts from, in words.

        ``judge ← value.critic, trains critic``; empty for most stages.
        """
        given = self.given(node)
        roles = [name.removeprefix(ROLES) for name in node.outputs if name.startswith(ROLES)]
        return ", ".join([*given, *(f"trains {role}" for role in roles)])

    def node(self, fingerprint: str) -> StageNode | EvaluationNode:
        """Return the node with this fingerprint; raises KeyError where there is none."""
        return self.stages.get(fingerprint) or self.evaluations[fingerprint]


def _one(inputs: Mapping[str, Input], place: str) -> Reference:
    """Return the one reference of a place; the base model where there is none."""
    return each_of(inputs.get(place, Base()))[0]


def stages_of(inputs: Mapping[str, Input]) -> list[str]:
    """Return the stages whose outputs are among inputs, each once."""
    made = (each for value in inputs.values() for each in each_of(value))
    return list(dict.fromkeys(each.stage for each in made if isinstance(each, Made)))


def own_overrides(members: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return what each member of a sweep was asked for that not every member was."""
    everywhere = set.intersection(*map(set, members)) if members else set()
    return [[each for each in overrides if each not in everywhere] for overrides in members]
