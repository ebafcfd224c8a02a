"""Roles of `models` that are misspelt in a file, or to be trained where nothing trains them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from etude.config.check_model import path_of
from etude.config.evaluations import MAIN, measuring, view
from etude.config.installation import Installation, derived_from
from etude.config.needs import learner_of, written_roles
from etude.config.overlay import overlays_of
from etude.config.read_yaml import read_yaml
from etude.config.role_stages import TRAIN
from etude.config.roles import Asked, every, measured
from etude.config.spelling import listed, nearest
from etude.config.states import of_node
from etude.config.values import shown
from etude.errors import Fault
from etude.schema import Schema

Config = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z_][\w-]*")

#: What no role can be called, since its folder and its key would be another's.
_TAKEN = {
    "name": "the component",
    "model": "the model of a stage",
    "policy": "the model that is trained",
    "data": "what a stage writes",
}


def misspelt(
    root: Config,
    choices: Mapping[str, Any],
    stages: Mapping[str, Config],
    typed: Collection[str],
    installation: Installation,
) -> Iterator[Fault]:
    """Yield a fault for each role spelt almost like one that is asked for and is set nowhere else.

    ``stages`` are the nodes of the pipeline's stages. Roles of a chosen file of `models` may stay
    unused, it serves other recipes too; what was ``typed`` is judged where values are.
    """
    written = {"models": (root, list(stages))}
    for name, overlay in overlays_of(root).items():
        written[f"stages.{name}.models"] = (overlay, [name])
    for path, (node, readers) in written.items():
        chosen = choices.get("models" if path == "models" else f"models@{path}")
        own = _own(node.get("models"), chosen, installation)
        if not own:
            continue
        wanted: set[str] = set()
        for name in readers:
            wanted |= every(stages.get(name, {}), installation.schema).keys()
        for role in sorted(own - wanted):
            near = nearest(role, sorted(wanted - own))
            if near and not any(key.startswith(f"{path}.{role}") for key in typed):
                message = f"is a model that nothing asks for. Did you mean {near[0]}?"
                yield Fault(f"{path}.{role}", message)


def misfits(config: Config, schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield a fault for each role of a stage that cannot be called or trained as it is asked to."""
    models = config.get("models") or {}
    for role, each in every(config, schema).items():
        if not _NAME.fullmatch(role) or role in _TAKEN:
            by_itself = each.by[0].path.startswith("models.")
            named = "is a role" if by_itself else f"names the role '{role}'"
            message = f"{named}; a role is called by letters, digits, _ and -."
            if role in _TAKEN:
                message = f"{named}, and {_TAKEN[role]} is called so already."
            yield f"models.{role}" if by_itself else f"{each.by[0].path}.role", message
        if each.changing and not each.opened:
            message = f"changes the model '{role}' in time and does not ask for it (model:{role})."
            yield each.by[0].path, message
        yield from _measuring(role, each, config, schema)
        node = models.get(role)
        if not isinstance(node, Mapping):
            continue
        needed = node.get("load") == "base"
        yield from path_of(node.get("model") or {}, f"models.{role}.model", needed=needed)
        yield from _training(role, node, each, config, schema)


def _measuring(role: str, each: Asked, config: Config, schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield each component that changes a model by which an evaluation measures.

    What is measured before the stage, in it and behind it would be so by different models.
    """
    if not each.changers:
        return
    for name in measuring(config):
        asks = measured(view(config, name), schema).get(role)
        if asks is None:
            continue
        left = "evaluation=null" if name == MAIN else f"~evaluations.{name}"
        message = (
            f"changes the model '{role}' in time, and the evaluation {name} asks it (for "
            f"{asks.purpose}): before the stage and behind it other models would measure, under "
            f"one name.\n  {left}  leaves out that evaluation"
        )
        yield from ((changer.path, message) for changer in each.changers)


def _training(
    role: str, node: Config, each: Asked, config: Config, schema: Schema
) -> Iterator[tuple[str, str]]:
    """Yield what of a role's training nobody reads, or cannot be."""
    own = {key: value for key, value in (node.get(TRAIN) or {}).items() if value is not None}
    path = f"models.{role}.{TRAIN}"
    if len(each.trainers) > 1:
        several = listed(used.title for used in each.trainers)
        yield path, f"is trained by {several} at once; each needs a role of its own."
    elif "objective" in own:
        yield from _itself(path, own, config, schema)
    elif own and not (each.trained and each.opened):
        yield (
            path,
            f"is for a trained model, and this one is frozen (for {each.purpose}).\n"
            f"  {path}.objective=NAME  trains it on rows of its own",
        )
    else:
        for key in sorted(own.keys() - {"optimizer"}):
            yield (
                f"{path}.{key}",
                f"is for a role that learns from rows of its own, and {each.purpose} trains this "
                f"one.\n  {path}.objective=NAME  has it learn from its own",
            )


def _itself(
    path: str, own: Mapping[str, Any], config: Config, schema: Schema
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the training of a role that learns from rows of its own."""
    stage = learner_of(config, schema).name
    learner = learner_of(own, schema).name
    if learner != stage:
        yield (
            f"{path}.objective",
            f"is {own['objective'].get('name')}, which is learned by {learner or 'no learner'}; "
            f"this stage trains its roles as its policy, by {stage}.",
        )
    training, stages = own.get("training") or {}, config.get("training") or {}
    for key in ("steps", "hand_on", "epochs"):
        if training and training.get(key) != stages.get(key):
            yield (
                f"{path}.training.{key}",
                f"is {shown(training.get(key))}, and a role is trained in the steps of its stage: "
                f"training.{key} is {shown(stages.get(key))}. {path}.schedule says in which.",
            )
    yield from _unread(path, own, config, schema)
    rollout = own.get("rollout") or {}
    if rollout.get("model_from") not in (None, (config.get("rollout") or {}).get("model_from")):
        yield f"{path}.rollout.model_from", "cannot be: a trained role answers by itself."


#: What a role does not read whose rows an episode has it write, by group.
_OF_ITS_OWN_ROWS = {
    "training": ("prompts_per_step", "rollouts_per_prompt"),
    "rollout": ("max_new_tokens", "episode", "budget"),
    "data_mix": ("train", "filter", "mixing", "sampling", "shuffle", "deduplicate"),
}


def _unread(
    path: str, own: Mapping[str, Any], config: Config, schema: Schema
) -> Iterator[tuple[str, str]]:
    """Yield what a role sets that nothing reads: states of a stage, and how to sample prompts."""
    learner = learner_of(config, schema)
    for group in sorted(own.keys() & config.keys()):
        for key in of_node(own[group], group, schema, learner):
            value = _at(own, key)
            if value not in (None, _at(config, key)):
                yield (
                    f"{path}.{key}",
                    f"is {shown(value)}, and the state of a stage is taken up by a stage alone; "
                    "without it (null) the role remembers what it sees itself.",
                )
    role = path.split(".")[1]
    if role not in written_roles(config, schema):
        return
    episode = (config["rollout"]["episode"] or {}).get("name")
    for group, keys in _OF_ITS_OWN_ROWS.items():
        mine, stages = own.get(group) or {}, config.get(group) or {}
        for key in keys:
            if mine and mine.get(key) != stages.get(key):
                yield (
                    f"{path}.{group}.{key}",
                    f"is read by no one: {role} learns from the rows that "
                    f"rollout.episode={episode} has it write, as many and as long as the episode "
                    f"asks for. For all of the stage it is {group}.{key}.",
                )


def _at(node: Any, path: str) -> Any:
    """Return the value at a config path, None where there is none."""
    for key in path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _own(models: Any, chosen: Any, installation: Installation) -> set[str]:
    """Return the roles of a node that its chosen file does not have."""
    if not isinstance(models, Mapping):
        return set()
    roles = {str(key) for key, role in models.items() if role is not None and key != "name"}
    return roles - _of_file(chosen, installation) if roles else roles


@lru_cache(maxsize=64)
def _of_file(choice: str | None, installation: Installation) -> frozenset[str]:
    """Return the keys that a chosen file of `models`, and those it begins with, have."""
    keys: set[str] = set()
    seen: list[str] = []
    name = str(choice)
    while name not in seen and (found := installation.choice("models", name)) is not None:
        seen.append(name)
        content = read_yaml(found.path)
        keys |= set(content)
        name = derived_from(content) or name
    return frozenset(keys)
