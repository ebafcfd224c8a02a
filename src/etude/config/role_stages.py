"""Roles that a stage trains as it trains its policy: each is a stage within the stage.

``models.NAME.train`` holds what lies over the stage for a role, as a stage's keys lie over the
root. With an objective there the role is trained on rows of its own, and what its components ask
for and read is judged under :func:`config_of`, the stage's config as the role has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from etude.schema import FieldInfo, Schema

#: The key of a role under which its overlay lies.
TRAIN = "train"

#: Something to type at the head of a hint: blanks, a sign, the key, and what follows it.
_TYPED = re.compile(r"^(\s+~?)([a-z_][\w./]*)([=\s])")


def following(models: Any, schema: Schema) -> dict[str, FieldInfo]:
    """Return group → the slot of a role's training that is laid over the stage's node of it."""
    name = models.get("name") if isinstance(models, Mapping) else None
    info = schema.find("models", str(name))
    entry = info.entries.entry("") if info is not None and info.entries is not None else None
    train = (entry.struct or {}).get(TRAIN) if entry is not None else None
    fields = (train.struct or {}) if train is not None else {}
    return {each.slot: each for each in fields.values() if each.follows and each.slot}


def with_objective(config: Mapping[str, Any]) -> list[str]:
    """Return the roles of a config that have an objective of their own, by name."""
    models = config.get("models")
    nodes = models.items() if isinstance(models, Mapping) else ()
    return sorted(str(role) for role, node in nodes if _objective(node) is not None)


def config_of(config: Mapping[str, Any], role: str) -> dict[str, Any]:
    """Return a stage's config as one of its trained roles has it.

    The nodes that the role lays over the stage are its own, and so is the component of its model;
    no other role is trained in it, and the stage makes the evaluations.
    """
    models = config["models"]
    node = models[role]
    own = {key: value for key, value in node[TRAIN].items() if key in config and value is not None}
    if node.get("model") is not None:
        own["model"] = node["model"]
    frozen = {key: _untrained(each) for key, each in models.items()}
    nothing = dict.fromkeys(config.keys() & {"evaluation", "evaluations"})
    return {**config, **own, **nothing, "models": frozen}


def own_nodes(
    config: Mapping[str, Any], role: str, schema: Schema
) -> Iterator[tuple[str, str, Any]]:
    """Yield (group, path, node) of what a role that is trained lays over its stage."""
    train = config["models"][role][TRAIN]
    for group in following(config["models"], schema):
        if train.get(group) is not None:
            yield group, f"models.{role}.{TRAIN}.{group}", train[group]


def place_of(path: str, config: Mapping[str, Any], role: str) -> str:
    """Return where a key of a role's config (:func:`config_of`) stands in that of its stage."""
    node, head = config["models"][role], path.partition(".")[0]
    if head == "model" and node.get("model") is not None:
        return f"models.{role}.{path}"
    own = head in config and node[TRAIN].get(head) is not None
    return f"models.{role}.{TRAIN}.{path}" if own else path


def message_of(message: str, config: Mapping[str, Any], role: str) -> str:
    """Return what is said of a role's config with what to type as it is typed for the role.

    The lines after the first begin with something to type, at its place in the stage.
    """
    first, *hints = message.split("\n")

    def placed(found: re.Match[str]) -> str:
        start, key, rest = found.groups()
        place = place_of(key.replace("/", "."), config, role)
        return f"{start}{place if place != key.replace('/', '.') else key}{rest}"

    return "\n".join([first, *(_TYPED.sub(placed, hint, count=1) for hint in hints)])


def mixes_of(config: Mapping[str, Any]) -> list[Any]:
    """Return the data mixes that roles trained on rows of their own lay over the stage's."""
    mixes = [config["models"][role][TRAIN].get("data_mix") for role in with_objective(config)]
    return [mix for mix in mixes if mix is not None]


def _objective(node: Any) -> Any:
    train = node.get(TRAIN) if isinstance(node, Mapping) else None
    return train.get("objective") if isinstance(train, Mapping) else None


def _untrained(node: Any) -> Any:
    if _objective(node) is None:
        return node
    return {**node, TRAIN: dict.fromkeys(node[TRAIN])}
