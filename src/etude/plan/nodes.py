"""The plan's nodes: what is trained, what is measured, and the runs that want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: A model: the fingerprint of the stage that made it, a folder, or None for the base model.
ModelRef = str | Path | None


@dataclass(frozen=True)
class GateEdge:
    """A condition that a node waits for: a metric of a stage's last evaluation.

    ``on_fail`` is ``stop`` (what waits does not run) or ``keep_previous`` (it starts from the model
    the gated stage started from).
    """

    stage: str
    evaluation: str
    metric: str
    at_least: float
    on_fail: str


@dataclass(frozen=True)
class StageNode:
    """One stage to train, identified by ``fingerprint``.

    ``parents`` are the stages whose result it reads, ``after`` all that must have finished before
    it; ``data_from`` maps a source's name to the stage that writes its rows. ``kept`` is the gate
    that may put an earlier model in the place of ``start``. ``lineage`` is the fingerprint without
    ``training.steps``; ``extendable`` says that a stage of the same lineage may be continued.
    ``hands_on_model`` is False for a stage that hands on rows only.
    """

    name: str
    fingerprint: str
    lineage: str
    config: dict[str, Any]
    learner: str
    parents: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    start: ModelRef = None
    rollout_from: ModelRef = None
    data_from: Mapping[str, str] = field(default_factory=dict)
    gate: Mapping[str, Any] | None = None
    kept: GateEdge | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    hands_on_model: bool = True
    extendable: bool = False
    fresh: bool = False

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

    ``data_from`` maps the stages whose rows it measures on, by name, to their fingerprints.
    """

    name: str
    fingerprint: str
    config: dict[str, Any]
    model: ModelRef = None
    data_from: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False

    @property
    def folder_name(self) -> str:
        """Return ``<name>-<fingerprint>``."""
        return f"{self.name}-{self.fingerprint}"


@dataclass(frozen=True)
class RunStage:
    """A stage as one run sees it: its own name for it, and what this run measures and waits for.

    ``before`` and ``after`` are the evaluations of the model it starts from and of its own; two
    runs may share the stage and not these (a sweep over verifiers). ``waits_for`` are the stages
    that must have finished, ``gate`` is its own gate and ``gates`` are those it must pass.
    """

    name: str
    stage: str
    before: str | None = None
    after: str | None = None
    waits_for: tuple[str, ...] = ()
    gate: GateEdge | None = None
    gates: tuple[GateEdge, ...] = ()


@dataclass(frozen=True)
class Run:
    """One member of a sweep, or the only run of a command: its stages in the order they run."""

    name: str
    overrides: tuple[str, ...]
    stages: tuple[RunStage, ...]
    root: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass
class Graph:
    """Everything a command asks for, each piece of work once.

    ``order`` lists stages and evaluations so that what a node needs comes before it. ``folder`` is
    the folder of the run, ``state`` how it ended (done, failed, interrupted; empty before) and
    ``outcomes`` maps a fingerprint to how its node ended (see ``execute.outcomes``); execution
    fills all three.
    """

    stages: dict[str, StageNode]
    evaluations: dict[str, EvaluationNode]
    order: list[StageNode | EvaluationNode]
    runs: list[Run]
    outputs: Path
    folder: Path | None = None
    state: str = ""
    outcomes: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name of its only run, or ``sweep``."""
        return self.runs[0].name if len(self.runs) == 1 else "sweep"

    def node(self, fingerprint: str) -> StageNode | EvaluationNode:
        """Return the node with this fingerprint; raises KeyError where there is none."""
        return self.stages.get(fingerprint) or self.evaluations[fingerprint]


def own_overrides(members: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return what each member of a sweep was asked for that not every member was."""
    everywhere = set.intersection(*map(set, members)) if members else set()
    return [[each for each in overrides if each not in everywhere] for overrides in members]
