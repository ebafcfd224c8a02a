"""The other models of a stage as a plan tells of them: what each is for, which are one copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etude.config import environment
from etude.config.roles import Asked, held
from etude.errors import ModelError
from etude.plan.quantities import number
from etude.plan.references import Input
from etude.plan.shape import shape_of_folder
from etude.schema import Schema

Config = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Other:
    """One model in memory beside the policy, under every role it has."""

    roles: tuple[Asked, ...]
    load: str
    model: Config | None
    optimizer: Config | None = None

    @property
    def name(self) -> str:
        """Return the roles it has: ``reference``, ``judge and reference``."""
        return " and ".join(each.role for each in self.roles)

    @property
    def opened(self) -> bool:
        """Return whether its weights are opened; of a head on the policy they are not."""
        return any(each.opened for each in self.roles)

    @property
    def trained(self) -> bool:
        """Return whether it has an optimizer."""
        return any(each.trained for each in self.roles)

    @property
    def changing(self) -> bool:
        """Return whether a component changes its weights in time."""
        return any(each.changing for each in self.roles)

    @property
    def words(self) -> str:
        """Return what it is and what it is for: ``reference: start, for kl``."""
        known = "" if self.model is None else f", loaded as {self.model.get('name')}"
        kind = "trained" if self.opened else "a head, trained"
        for_what = " and ".join(dict.fromkeys(each.purpose for each in self.roles))
        shared = ", one copy" if len(self.roles) > 1 else ""
        moved = "" if self.optimizer is None else f" by {self.optimizer.get('name')}"
        if self.optimizer is not None and self.optimizer.get("lr") is not None:
            moved += f" at {number(float(self.optimizer['lr']))}"
        return (
            f"{self.name}: {self.load}{known}{shared}"
            + (f", {kind} for {for_what}{moved}" if self.trained else f", for {for_what}")
            + (", changed in time" if self.changing else "")
        )


def others_of(config: Config, schema: Schema) -> list[Other]:
    """Return the other models that a resolved stage config opens, frozen ones of a kind as one."""
    nodes = config.get("models") or {}
    found: dict[tuple[Any, ...], Other] = {}
    for role, each in held(config, schema).items():
        node = nodes.get(role) if isinstance(nodes, Mapping) else None
        if not isinstance(node, Mapping):
            continue
        load, model = str(node.get("load")), node.get("model")
        model = None if model == config.get("model") else model
        alike = (role,) if each.trained or each.changing else (load, repr(model))
        before = found[alike].roles if alike in found else ()
        moved = (node.get("train") or {}).get("optimizer") if each.trained else None
        found[alike] = Other((*before, each), load, model, moved)
    return list(found.values())


def alike_loads(config: Config, inputs: Mapping[str, Input]) -> dict[str, str]:
    """Return role → the text that an earlier role has for the same model, where it has another.

    ``start`` and ``base`` are one model in a stage that starts from the base model.
    """
    nodes = config.get("models")
    first: dict[Input, str] = {}
    found = {}
    for role, node in nodes.items() if isinstance(nodes, Mapping) else ():
        place = f"models.{role}.load"
        if place in inputs:
            load = first.setdefault(inputs[place], str(node["load"]))
            if load != str(node["load"]):
                found[role] = load
    return found


def with_loads(config: dict[str, Any], loads: Mapping[str, str]) -> dict[str, Any]:
    """Return a config in which roles have other texts for the models that they load."""
    if not loads:
        return config
    changed = {role: {**config["models"][role], "load": load} for role, load in loads.items()}
    return {**config, "models": {**config["models"], **changed}}


def parameters(
    other: Other, own: int, parameters_of: Callable[[Config], tuple[int | None, str]]
) -> int:
    """Return how many parameters it has: its component's, its folder's, or the stage's own."""
    if not other.opened:
        return 0
    folder = Path(str(environment.read(other.load))).expanduser()
    if (folder / "config.json").is_file():
        try:
            return shape_of_folder(folder).parameters
        except ModelError:
            return own
    if other.model is None:
        return own
    return parameters_of(other.model)[0] or own
