"""What the verifier of an evaluation is opened with where no stage is open: its own models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch

from etude.build import build
from etude.config.roles import measured
from etude.config.settings import Execution
from etude.environment.opened import Environments, OpenEnvironments
from etude.learner.context import StageContext
from etude.learner.live_parts import Openings
from etude.learner.roles import Roles
from etude.live import all_of
from etude.model.device import device_of
from etude.model.policy import Policy
from etude.rollout.engine import shared
from etude.schema import load
from etude.verifier.interface import Judge


@dataclass(frozen=True)
class _Models:
    """The models of an evaluation, as :class:`~etude.learner.roles.Roles` reads them."""

    config: Mapping[str, Any]
    model: Any
    models: Any
    execution: Execution

    def device(self) -> torch.device:
        return device_of(self.execution.device)


@dataclass
class EvaluationHost:
    """Opens the verifier of an evaluation of its own, with the roles that it asks for.

    ``context`` says where their folders are. ``policy`` is the model that is measured, None where
    answers are judged that nobody samples. All ranks open it together.
    """

    config: Mapping[str, Any]
    context: StageContext
    policy: Policy | None
    verifier: Any
    rollout: Any
    execution: Execution
    live: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seed = self.context.seed
        self.workers: int = self.execution.verifier_workers
        self._openings = Openings({"verifier": self.verifier}, self, self.live)
        self._engines: dict[str, Any] = {}
        self._environments: OpenEnvironments | None = None
        self._roles: Roles | None = None
        asked = measured(self.config, load())
        if asked:
            models = _Models(
                self.config,
                build(self.config["model"], "model"),
                build(self.config["models"], "models"),
                self.execution,
            )
            self._roles = Roles(models, self.context, self.policy, asked)

    def open(self, component: Any) -> Any:
        """Return the live side of the verifier, or of one that it wraps, opened the first time."""
        return self._openings.open(component)

    @property
    def judge(self) -> Judge:
        """Return the open verifier."""
        judge: Judge = self.open(self.verifier)
        return judge

    def environments_of(self, environments: Environments) -> OpenEnvironments | None:
        """Return environments opened, None where there is none."""
        if not environments.by_name:
            return None
        if self._environments is None:
            self._environments = OpenEnvironments(environments, self.workers)
        return self._environments

    def model(self, name: str) -> Policy:
        """Return the frozen model of a role that the evaluation asks for."""
        assert self._roles is not None  # the plan knows no role that is not asked for
        return self._roles.of(name)

    def engine(self, name: str, sampling: Any = None) -> Any:
        """Return what samples from that model, by ``sampling`` or as the policy is sampled."""
        sampling = sampling or self.rollout
        key = f"{name} {sampling!r}"
        if key not in self._engines:
            there = [each for one, each in self._engines.items() if one.partition(" ")[0] == name]
            self._engines[key] = shared(there, sampling) or sampling.engine(self.model(name))
        return self._engines[key]

    def close(self) -> None:
        """End the verifier's workers and the engines."""
        with ExitStack() as stack:
            engines = [engine.close for engine in self._engines.values()]
            if self._environments is not None:
                stack.callback(self._environments.close)
            for close in (*engines, *all_of(self.live, "close")):
                stack.callback(close)
