"""Models of a stage that change in time: they take over, average or exchange weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from etude.config.needs import SAMPLER
from etude.config.roles import sampler_changes
from etude.errors import ModelError, StageError
from etude.live import Tree
from etude.model.policy import Policy
from etude.rows import POLICY
from etude.schema import load

if TYPE_CHECKING:
    from etude.learner.parts import StageParts
    from etude.learner.roles import Roles
    from etude.learner.trainee import Trainee


class Changing:
    """A frozen model whose weights change while a stage trains, so that they are kept with it."""

    def __init__(self, model: Policy) -> None:
        self.model = model

    def state_dict(self) -> Tree:
        """Return its weights."""
        return {"model": self.model.model.state_dict()}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self.model.model.load_state_dict(state["model"])


def refuse_other_weights(name: str, model: Policy, policy: Policy) -> None:
    """Raise ModelError where a model cannot take the weights of the one that is trained."""
    own, theirs = _shapes(model), _shapes(policy)
    if own == theirs:
        return
    odd = next(key for key in (*theirs, *own) if own.get(key) != theirs.get(key))
    raise ModelError(
        f"{name} is to take weights of {policy.name}, and {model.name} has others ({odd} is "
        f"{own.get(odd, 'not there')} and {theirs.get(odd, 'not there')}); both have to be loaded "
        "by one component, of one architecture"
    )


class ModelChanges(ABC):
    """What an open stage lets live components do to its models, between steps.

    A role changes that a component declares to change (``provides=["changes:{role}"]``): it shares
    its weights with no other, and they are in every checkpoint. It may be a frozen one, one that is
    trained on rows of its own, or ``rollout.model_from``. All ranks ask together.
    """

    parts: StageParts
    policy: Policy
    role: str
    roles: Roles
    live: dict[str, Any]
    trainee: Trainee

    @property
    @abstractmethod
    def on_policy(self) -> bool:
        """Return whether the model that is trained samples."""

    @abstractmethod
    def model(self, name: str) -> Policy:
        """Return a model of the stage."""

    @abstractmethod
    def sync(self, name: str = "") -> None:
        """Give the engines of a model its present weights."""

    def copy(self, role: str) -> None:
        """Give a role the weights of the model that is trained (a reference is reset)."""
        self._changed(role).take(self.policy.whole())
        self.sync(role)

    def restore(self, role: str) -> None:
        """Give the model that is trained the weights of a role: it goes back to what that keeps."""
        self.policy.take(self._changed(role).whole())
        self.sync()

    @torch.no_grad()
    def ema(self, role: str, decay: float) -> None:
        """Move a role towards the model that is trained: decay · role + (1 - decay) · model."""
        target, new = self._changed(role), self.policy.whole()
        old = target.whole()
        target.take({name: old[name].lerp(new[name], 1 - decay) for name in new})
        self.sync(role)

    def swap(self, role: str) -> None:
        """Exchange the weights of a role and of the model that is trained.

        Optimizers stay with the place whose model they move; :meth:`reset` has one begin anew.
        """
        other = self._changed(role)
        mine: dict[str, Tensor] = {name: each.clone() for name, each in self.policy.whole().items()}
        self.policy.take(other.whole())
        other.take(mine)
        self.sync(role)
        self.sync()

    def reset(self, name: str = POLICY) -> None:
        """Have the optimizer of the policy, or of a trained role, begin anew.

        Raises StageError where nothing trains a model of that name.
        """
        trained = self.trainee if name == self.role else self.live.get(f"models.{name}")
        if trained is None or not hasattr(trained, "reset"):
            raise StageError(f"the optimizer of {name} is to begin anew, and nothing trains {name}")
        trained.reset()

    def _keep_changing(self) -> None:
        """Keep the frozen models that components change, whose weights are state then."""
        changing = {f"models.{role}": model for role, model in self.roles.changing.items()}
        if not self.on_policy and sampler_changes(self.parts.config, load()):
            changing[SAMPLER] = self.model(SAMPLER)
        for path, model in changing.items():
            refuse_other_weights(path, model, self.policy)
            self.live[path] = Changing(model)

    def _changed(self, name: str) -> Policy:
        """Return a model that may change; raises StageError for one of which nobody said so."""
        kept = self.live.get(SAMPLER) if name == SAMPLER else None
        if kept is not None or self.roles.changes(name):
            return self.model(name)
        raise StageError(
            f"the weights of {name} are to change, and no component that the stage reads says so; "
            f'the one that changes them declares requires=["model:{name}"] and '
            f'provides=["changes:{name}"]'
        )


def _shapes(policy: Policy) -> dict[str, Any]:
    return {name: tuple(each.shape) for name, each in policy.model.named_parameters()}
