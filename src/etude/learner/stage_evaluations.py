"""The evaluations of an open stage: which are asked for, and what each shares with the stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etude.build import build
from etude.config.asked_evaluations import AskedEvaluations, due, measures
from etude.config.evaluations import MAIN, measuring, named, view
from etude.config.settings import Execution
from etude.environment.opened import Environments, OpenEnvironments
from etude.evaluation.interface import numbers
from etude.evaluation.run import Measurement, Parts, environments_of
from etude.evaluation.view import Around
from etude.learner.context import Measured, StageContext
from etude.learner.parts import StageParts
from etude.model.policy import Policy
from etude.rows import POLICY
from etude.schema import load

if TYPE_CHECKING:
    from etude.data_mix.stream import Stream
    from etude.rollout.engine import Engine
    from etude.verifier.interface import Judge


class StageEvaluations(ABC):
    """What an open stage measures of its models as it stands; no evaluation changes a state."""

    parts: StageParts
    context: StageContext
    execution: Execution
    live: dict[str, Any]
    stream: Stream
    _engines: dict[str, Engine]

    @abstractmethod
    def model(self, name: str) -> Policy:
        """Return a model of the stage."""

    @abstractmethod
    def engine(self, name: str, sampling: Any = None) -> Engine:
        """Return what samples from a model of the stage."""

    @abstractmethod
    def environments_of(self, environments: Environments) -> OpenEnvironments | None:
        """Return environments opened, None where there is none."""

    @abstractmethod
    def shared_engine(self, name: str, sampling: Any) -> Engine | None:
        """Return what samples otherwise from an engine of a model that is open already."""

    @abstractmethod
    def open(self, component: Any) -> Any:
        """Return the live side of a component of the stage."""

    @property
    @abstractmethod
    def verifier(self) -> Judge:
        """Return the open verifier of the stage."""

    def _begin_evaluations(self) -> None:
        """Have measured nothing yet."""
        #: The verifiers that evaluations have of their own.
        self._judges = _own_judges(self.parts.config)
        self._asked = AskedEvaluations(load()).of(self.parts.config)
        self._measurements: dict[str, Measurement] = {}

    def _open_judges(self) -> None:
        """Open what evaluations judge by, where components ask for some."""
        if measures(self.parts.config, load()):
            _ = self.verifier
            for one in self._judges.values():
                self.open(one)

    def evaluate(self, name: str = MAIN, model: str = POLICY) -> Measured:
        """Measure the policy as it stands by one of the stage's evaluations; changes no state.

        What the evaluation shares with the stage (its rows, verifier and engine) does it; where no
        engine of the policy is open, one is for as long as it takes. ``model`` is another model
        that is measured in the place of the policy.
        """
        if name not in self._measurements:
            self._measurements[name] = Measurement(self._measured_by(name))
        own = named(self.parts.config).get(name, {})
        measurement = self._measurements[name]
        if own.get("rollout") is None:
            kept = self._engines.get(model)
        else:
            kept = self.shared_engine(model, measurement.rollout)
        return measurement.of(
            self.model(model),
            engine=None if kept is None else (lambda: nullcontext(kept)),
            judge=lambda: nullcontext(self._judge(name)),
            host=self,
        )

    def numbers_of(self, name: str, model: str) -> Mapping[str, float]:
        """Measure another model of the stage, and return what a live component is told of it."""
        return numbers(self.evaluate(name, model)[0])

    def _asked_for(self, finished: int) -> dict[str, Measured]:
        """Return the evaluations that components ask for now; one that was made is read again."""
        return {
            name: self.context.measured(name, finished) or self.evaluate(name)
            for name in due(self._asked, finished)
        }

    def _judge(self, name: str) -> Judge:
        """Return what judges for an evaluation: the stage's verifier, or its own."""
        if name not in self._judges:
            return self.verifier
        judge: Judge = self.open(self._judges[name])
        return judge

    def _measured_by(self, name: str) -> Parts:
        """Return the components of an evaluation, those of the stage where it follows them."""
        parts, own = self.parts, named(self.parts.config).get(name, {})
        seen = view(parts.config, name)
        if "data_mix" not in self.live or own.get("data_mix") is not None:
            found = Parts.build(seen, self.context.data)  # rows that the stage has not opened
            verifier = self._judges.get(name, parts.verifier)
            return replace(found, around=replace(found.around, name=name, verifier=verifier))
        around = Around(
            rollout=build(seen["rollout"], "rollout") if own.get("rollout") else parts.rollout,
            verifier=self._judges.get(name, parts.verifier),
            stream=self.stream,
            execution=self.execution,
            environments=environments_of(seen)
            if own.get("environment")
            else parts.environments_there,
            name=name,
        )
        return Parts(build(seen["evaluation"], "evaluation"), around)


def _own_judges(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verifiers of a stage's evaluations that do not follow it, by evaluation."""
    own = {name: named(config)[name].get("verifier") for name in measuring(config) if name != MAIN}
    return {name: build(node, "verifier") for name, node in own.items() if node is not None}
