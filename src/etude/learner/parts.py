"""The typed components of a stage, and what is opened from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from etude.build import build, build_struct
from etude.config.conditions import holds
from etude.config.settings import Execution

if TYPE_CHECKING:
    from etude.learner.make import StageContext

_GROUPS = (
    "model",
    "models",
    "objective",
    "data_mix",
    "verifier",
    "reward_weighting",
    "curriculum",
    "rollout",
    "optimizer",
    "training",
)


@dataclass(frozen=True)
class StageParts:
    """Every component of a stage, typed; past this point no config is a dict."""

    config: Mapping[str, Any]
    model: Any
    models: Any
    objective: Any
    data_mix: Any
    verifier: Any
    reward_weighting: Any
    curriculum: Any
    rollout: Any
    optimizer: Any
    training: Any
    sources: Mapping[str, Any]
    execution: Execution

    @classmethod
    def build(cls, config: dict[str, Any]) -> StageParts:
        """Build every group of a resolved stage config; raises ConfigError where one cannot be."""
        parts = {group: build(config[group], group) for group in _GROUPS if config.get(group)}
        sources = {name: build(node, "sources") for name, node in config["sources"].items()}
        execution = build_struct(Execution, config["execution"], "execution")
        missing = {group: None for group in _GROUPS if group not in parts}
        return cls(config=config, sources=sources, execution=execution, **parts, **missing)

    def device(self) -> torch.device:
        """Return the device the stage trains on."""
        return device_of(self.execution.device)

    def reference(self, context: StageContext) -> Any | None:
        """Return the frozen reference model, or None when no part of the objective asks for it."""
        return self.frozen("reference", context)

    def frozen(self, role: str, context: StageContext) -> Any | None:
        """Return the frozen model of a role, or None when no part of the objective asks for it."""
        if not asks_for(self.objective, f"model:{role}"):
            return None
        return self.models.open(
            role, self.model, start=context.start, seed=context.seed, device=self.device()
        )

    def policy(self, folder: Path | None, seed: int) -> Any:
        """Return the model in ``folder``, or a fresh base model seeded by ``seed``."""
        if folder is None:
            return self.model.create(seed, self.device())
        return self.model.load(folder, self.device())

    def evaluate(
        self, policy: Any, context: StageContext
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Measure a policy on the held-out rows: the result's JSON and its samples."""
        from etude.evaluation.run import evaluate_policy

        return evaluate_policy(self.config, policy, stage_data=context.data)


def asks_for(component: Any, what: str) -> bool:
    """Return whether a component, or a part of it, requires ``what`` with the values it has."""
    values = {f.name: getattr(component, f.name) for f in dataclasses.fields(component)}
    needs = component.declaration.requires
    if any(need.what == what and holds(need.when, values) for need in needs):
        return True
    parts = [p for v in values.values() for p in (v.values() if isinstance(v, Mapping) else [v])]
    return any(asks_for(part, what) for part in parts if hasattr(part, "declaration"))


def device_of(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda`` names on this machine."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)
