"""The typed components of a stage, and what is opened from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from etude.build import build, build_struct
from etude.config.needs import LEARNER_GROUPS
from etude.config.settings import Execution
from etude.environment.opened import Environments
from etude.model.critic import leave_head
from etude.model.device import device_of


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
    environment: Any
    environments: Any
    optimizer: Any
    training: Any
    sources: Mapping[str, Any]
    execution: Execution

    @classmethod
    def build(cls, config: dict[str, Any]) -> StageParts:
        """Build every group of a resolved stage config; raises ConfigError where one cannot be."""
        parts = {
            group: build(config[group], group) for group in LEARNER_GROUPS if config.get(group)
        }
        sources = {name: build(node, "sources") for name, node in config["sources"].items()}
        execution = build_struct(Execution, config["execution"], "execution")
        missing = {group: None for group in LEARNER_GROUPS if group not in parts}
        return cls(config=config, sources=sources, execution=execution, **parts, **missing)

    @property
    def roots(self) -> dict[str, Any]:
        """Return the components that a learner may read, by group."""
        found = {group: getattr(self, group) for group in LEARNER_GROUPS}
        return {group: root for group, root in found.items() if root is not None}

    @cached_property
    def environments_there(self) -> Environments:
        """Return the environments that episodes are played with."""
        return Environments.of(self.environment, self.environments)

    def device(self) -> torch.device:
        """Return the device the stage trains on."""
        return device_of(self.execution.device)

    def policy(self, folder: Path | None, seed: int) -> Any:
        """Return the model in ``folder``, or a fresh base model seeded by ``seed``."""
        if folder is None:
            return self.model.create(seed, self.device())
        leave_head(folder)
        return self.model.load(folder, self.device())
