"""The models of an open stage and what samples from them, opened when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etude.config.needs import SAMPLER
from etude.learner.changing import ModelChanges
from etude.learner.context import StageContext, model_of
from etude.model.policy import Policy
from etude.rollout.engine import shared

if TYPE_CHECKING:
    from etude.rollout.engine import Engine


class StageModels(ModelChanges):
    """What an open stage has of models: the policy, the one that samples, and those of roles.

    ``trained`` are the roles that it trains on rows of their own, which have models themselves.
    """

    context: StageContext
    seed: int
    trained: Mapping[str, StageModels]

    def _begin_models(self) -> None:
        """Have no engine open yet, and no model beside the policy and roles."""
        self._engines: dict[str, Engine] = {}
        self._others: dict[str, Policy] = {}

    @property
    def on_policy(self) -> bool:
        """Return whether the policy itself samples, and no model that the stage is given."""
        return SAMPLER not in self.context.inputs

    @property
    def sampler(self) -> str:
        """Return the name of the model that samples: of its :meth:`engine` and :meth:`model`."""
        return self.role if self.on_policy else SAMPLER

    def model(self, name: str) -> Policy:
        """Return a model of the stage: the policy, the one that samples, or that of a role."""
        if name == self.role:
            return self.policy
        if name in self.trained:
            return self.trained[name].policy
        if name != SAMPLER:
            return self.roles.of(name)
        if name not in self._others:
            folder = model_of(self.context.inputs, SAMPLER)
            self._others[name] = self.parts.policy(folder, self.seed)
        return self._others[name]

    def engine(self, name: str, sampling: Any = None) -> Engine:
        """Return what samples from a model of the stage, opened when it is first asked for.

        ``sampling`` is a component of the group ``rollout`` in the place of the stage's own. All
        ranks ask together.
        """
        if name in self.trained:
            return self.trained[name].engine(name, sampling)
        own = sampling is None or sampling == self.parts.rollout
        key = name if own else f"{name} {sampling!r}"
        if key not in self._engines:
            chosen = self.parts.rollout if own else sampling
            self._engines[key] = self.shared_engine(name, chosen) or chosen.engine(self.model(name))
        return self._engines[key]

    def shared_engine(self, name: str, sampling: Any) -> Engine | None:
        """Return what samples otherwise from an engine of a model that is open already."""
        there = [each for key, each in self._engines.items() if key.partition(" ")[0] == name]
        return shared(there, sampling)

    def sync(self, name: str = "") -> None:
        """Give the engines of a model its present weights; of the trained one by default."""
        name = name or self.role
        if name in self.trained:
            self.trained[name].sync()
        for key, engine in self._engines.items():
            if key.partition(" ")[0] == name:
                engine.sync(self.model(name))

    def _sync_all(self) -> None:
        """Give all engines the present weights of their models."""
        for name in dict.fromkeys(key.partition(" ")[0] for key in self._engines):
            self.sync(name)
