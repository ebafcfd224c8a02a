"""The other models of a stage: opened by every rank before its first step, frozen or trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from etude.config.roles import Asked, held
from etude.errors import ModelError
from etude.learner.context import model_of
from etude.model.critic import leave_head
from etude.model.policy import Policy
from etude.models.role import Role
from etude.rows import POLICY
from etude.schema import load

if TYPE_CHECKING:
    import torch

    from etude.learner.context import StageContext

#: Where a stage hands on the roles it trained, a folder each.
FOLDER = "roles"


class HandedOn(Protocol):
    """A model that a stage trained beside its policy."""

    def export(self, folder: Path) -> None:
        """Write what the stage hands on of it into ``folder``."""


class Models(Protocol):
    """The components of a stage or of an evaluation, as far as its models are concerned."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Return the resolved config."""

    @property
    def model(self) -> Any:
        """Return the component of the model that is trained or measured."""

    @property
    def models(self) -> Any:
        """Return the component of the others."""

    def device(self) -> torch.device:
        """Return the device they are on."""


class Roles:
    """The roles that a stage's components ask for, by name.

    Frozen ones of the same weights and the same model component are one copy. Trained ones are
    opened by :meth:`open` for whoever trains them, and never shared.
    """

    def __init__(
        self,
        parts: Models,
        context: StageContext,
        policy: Policy | None,
        wanted: Mapping[str, Asked] | None = None,
    ) -> None:
        """Open the roles that are ``wanted``, by default those open while the stage trains.

        ``policy`` is the model that is trained or measured, where there is one.
        """
        self._parts = parts
        self._context = context
        self._asked = held(parts.config, load()) if wanted is None else wanted
        self._copies: list[tuple[Any, Path | None, Policy]] = []
        self._trained: dict[str, HandedOn] = {}
        self._to_train: dict[str, Policy] = {}
        self._frozen = {
            role: self._copy(role)
            for role, each in self._asked.items()
            if each.opened and not each.trained
        }
        if policy is not None:
            self.refuse_other_tokens(POLICY, policy)

    def scored(self, trained: str) -> Mapping[str, Policy]:
        """Return the models under which a trained one's rows have log-probs, by role.

        ``trained`` is ``policy`` or a role that is trained on rows of its own.
        """
        opened = (self._frozen | self._to_train).items()
        return {role: model for role, model in opened if trained in self._asked[role].scores}

    def asked_by(self, group: str) -> list[str]:
        """Return the roles whose models are asked for by components of a group or below it."""
        return [
            role
            for role, each in self._asked.items()
            if each.opened
            and any(f"{used.info.group}/".startswith(f"{group}/") for used in each.by)
        ]

    def scoring(self, trained: str) -> list[tuple[Policy, list[str]]]:
        """Return each of the models of :meth:`scored` once, with the roles it has."""
        found: dict[int, tuple[Policy, list[str]]] = {}
        for role, model in self.scored(trained).items():
            found.setdefault(id(model), (model, []))[1].append(role)
        return list(found.values())

    def refuse_other_tokens(self, trained: str, policy: Policy) -> None:
        """Raise ModelError where a trained model's tokens are not those of what reads them."""
        read = [*self.scored(trained), *self.asked_by("rollout/logits")]
        for role in dict.fromkeys(read):
            if role in self._frozen:
                _refuse_other_tokens(role, self._frozen[role], policy)

    @property
    def changing(self) -> Mapping[str, Policy]:
        """Return the frozen models whose weights a component changes in time, by role."""
        frozen = self._frozen.items()
        return {role: model for role, model in frozen if self._asked[role].changing}

    def changes(self, role: str) -> bool:
        """Return whether a component changes the weights of a role in time."""
        return role in self._asked and self._asked[role].changing

    def frozen(self, role: str) -> Policy | None:
        """Return the frozen model of a role, None where nothing asks for it."""
        return self._frozen.get(role)

    def of(self, role: str) -> Policy:
        """Return the frozen model of a role; raises ModelError where nothing asks for it."""
        if role not in self._frozen:
            raise ModelError(_missing(role, self._asked.get(role)))
        return self._frozen[role]

    def folder(self, role: str) -> Path | None:
        """Return where the model of a role lies; None for the base model, or for no model."""
        chosen = self._chosen(role)
        return None if chosen is None else _folder(role, chosen, self._context)

    def open(self, role: str) -> Policy:
        """Return the model of a role, not frozen, for a component that trains it."""
        chosen = self._chosen(role)
        if chosen is None:
            asking = self._asked.get(role)
            raise ModelError(_missing(role, asking))
        model = self._opened(role, chosen, _folder(role, chosen, self._context))
        self._to_train[role] = model
        return model

    def optimizer(self, role: str) -> Any | None:
        """Return the optimizer component that a role has of its own; None: as the stage's."""
        chosen = self._chosen(role)
        return None if chosen is None else chosen.train.optimizer

    def hand_on(self, role: str, trained: HandedOn) -> None:
        """Have a trained role exported with the stage's model."""
        self._trained[role] = trained

    def export(self, folder: Path) -> None:
        """Write every trained role to ``folder/roles/NAME``."""
        for role, trained in self._trained.items():
            trained.export(folder / FOLDER / role)

    def _chosen(self, role: str) -> Role | None:
        models = self._parts.models
        return None if models is None else models.roles.get(role)

    def _copy(self, role: str) -> Policy:
        """Return the frozen model of a role, the copy of another one where they are the same."""
        chosen = self._chosen(role)
        if chosen is None:
            raise ModelError(_missing(role, self._asked.get(role)))
        folder = _folder(role, chosen, self._context)
        place = None if folder is None else folder.resolve()
        component = chosen.model or self._parts.model
        changing = self._asked[role].changing
        for other, there, model in self._copies if not changing else ():
            if there == place and other == component:
                return model
        if folder is not None:
            leave_head(folder)
        model = self._opened(role, chosen, folder).freeze()
        if not changing:
            self._copies.append((component, place, model))
        return model

    def _opened(self, role: str, chosen: Role, folder: Path | None) -> Policy:
        component, device = chosen.model or self._parts.model, self._parts.device()
        if folder is not None and not any(
            (folder / f"{name}.json").is_file() for name in ("config", "adapter_config")
        ):
            raise ModelError(
                f"models.{role}.load={chosen.load}: there is no model in {folder} (no "
                "config.json); it is start, base or a folder in Hugging Face format"
            )
        try:
            if folder is None:
                opened: Policy = component.create(self._context.seed, device)
            else:
                opened = component.load(folder, device)
        except ModelError as error:
            raise ModelError(f"models.{role}: {error}") from error
        return opened


def _folder(role: str, chosen: Role, context: StageContext) -> Path | None:
    """Return the folder of a role's model, None for the base model.

    A stage that was planned has it among its inputs; else ``load`` itself says where it is.
    """
    place = f"models.{role}.load"
    if place in context.inputs:
        return model_of(context.inputs, place)
    if chosen.load == "base":
        return None
    return context.start if chosen.load == "start" else Path(chosen.load).expanduser()


def _refuse_other_tokens(role: str, model: Policy, policy: Policy) -> None:
    """Raise ModelError where the policy's tokens mean something else to a model of a role."""
    theirs, ours = model.tokenizer.get_vocab(), policy.tokenizer.get_vocab()
    rows = model.causal_lm.get_input_embeddings().weight.shape[0]
    if all(theirs.get(token, at) == at and at < rows for token, at in ours.items()):
        return
    raise ModelError(
        f"models.{role}={model.name} has another tokenizer than {policy.name}, so their "
        "distributions cannot be compared; a teacher's answers can be sampled instead "
        "(objective=generate) and learnt (objective.token_loss.alpha=0)"
    )


def _missing(role: str, asking: Asked | None) -> str:
    by = asking.purpose if asking is not None else "this stage"
    return f"models.{role} is not set, and {by} asks for it: models.{role}=start, base or a folder"
