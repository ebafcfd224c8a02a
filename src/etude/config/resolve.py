"""A composed root → the stages of its pipeline, each with its whole typed config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from etude.by_path import weights
from etude.by_path.reference import is_reference
from etude.config import environment, evaluations
from etude.config.conform import Conformer
from etude.config.overlay import STAGE_GROUPS, Overlays, overlays_of
from etude.config.pipeline import Step
from etude.config.role_stages import TRAIN, with_objective
from etude.config.settings import STAGE_ROOT_KEYS
from etude.config.sharing import ByIdentity, put
from etude.config.spelling import root_fields, stage_fields
from etude.config.values import is_interpolation
from etude.environment.interface import PARTS
from etude.errors import ConfigError, Fault
from etude.schema import Schema

#: What `debug=true` leaves of a stage.
DEBUG_STEPS = 2
DEBUG_PROBLEMS = 8

_WORD = re.compile(r"[A-Za-z_][\w-]*")
_NESTED = re.compile(r"\$\{[^{}]*\$\{")


class MemberLike(Protocol):
    """A composed command: see :class:`etude.config.compose.Member`."""

    @property
    def root(self) -> dict[str, Any]:
        """Return the composed root."""

    @property
    def choices(self) -> dict[str, Any]:
        """Return the chosen files by group."""


@dataclass(frozen=True)
class StageConfig:
    """One stage of a run: its whole config, and what it waits for and starts from.

    ``start_from`` is a reference (``plan/references.py``), or None for the predecessor. ``renamed``
    maps repeated stages to the copies that this stage means by them in its references; empty where
    none has run before it.
    """

    name: str
    config: dict[str, Any]
    learner: str
    after: tuple[str, ...]
    start_from: str | None
    gate: dict[str, Any] | None
    resources: dict[str, Any]
    overlay: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def written_as(self) -> str:
        """Return the stage's name in `stages.` (a copy of a repeated stage has another name)."""
        return self.overlay or self.name


class Resolver:
    """Resolves the stages of members; what equal nodes resolve to is found once and shared.

    Configs share their nodes with those of other stages and members: nothing may change them.
    """

    def __init__(self, schema: Schema, overlays: Overlays | None = None) -> None:
        self._schema = schema
        self._overlays = overlays or Overlays(schema)
        self._written: ByIdentity[bool] = ByIdentity()
        self._valued: ByIdentity[dict[str, Any]] = ByIdentity()
        self._fitted: ByIdentity[_Fitted] = ByIdentity()
        self._short: ByIdentity[Any] = ByIdentity()
        self._weighted: ByIdentity[Any] = ByIdentity()

    def stage(self, member: MemberLike, step: Step) -> tuple[StageConfig, list[tuple[str, str]]]:
        """Return one stage and (path, message) of everything in it that does not fit.

        Raises ConfigError for an interpolation that refers to nothing.
        """
        over = overlays_of(member.root).get(step.overlay, {})
        pinned = self._overlays.pinned(member.choices, step.overlay)
        raw = self._overlays.lay(member.root, over, pinned)
        raw = self._overlays.following(raw, pinned | self._overlays.files(member.choices))
        config, misfits = self._complete(self._with_values(raw, member.root, step.name))
        self._weigh(config)
        if step.redraw:
            from etude.randomness import seed_of  # brings numpy, which most need not wait for

            config["seed"] = seed_of("round", config["seed"], step.redraw) % 2**31
        gate, resources = self._own(over, "gate"), self._own(over, "resources")
        if member.root.get("debug"):
            self._shorten(config)
        config["outputs"] = member.root.get("outputs")
        config.update(after=list(step.after), start_from=step.start_from)
        config.update(gate=gate, resources=resources)
        objective = config.get("objective") or {}
        info = self._schema.find("objective", str(objective.get("name")))
        stage = StageConfig(
            name=step.name,
            config=config,
            learner=info.learner or "" if info is not None else "",
            after=step.after,
            start_from=step.start_from,
            gate=gate,
            resources=resources or {},
            overlay=step.overlay,
            renamed=step.renamed,
        )
        return stage, misfits

    def _with_values(
        self, raw: dict[str, Any], root: Mapping[str, Any], stage: str
    ) -> dict[str, Any]:
        """Return a stage's node with ``${…}`` replaced, once for equal values in sight of them."""
        written = [
            key
            for key, node in raw.items()
            if self._written.of(partial(_any_interpolation, node), node)
        ]
        if not written:
            return raw
        seen = in_sight(written, {**root, **raw})
        plain = {key: repr(value) for key, value in seen.items() if not _is_tree(value)}
        trees = [value for value in seen.values() if _is_tree(value)]
        nodes = {key: raw[key] for key in raw if key in seen}
        make = partial(interpolated, nodes, seen, stage)
        return {**raw, **self._valued.of(make, *trees, also=(stage, *seen, *plain.values()))}

    def _complete(self, raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Return every group, source and setting of a stage complete and typed, and the misfits."""
        config: dict[str, Any] = {}
        misfits: list[tuple[str, str]] = []
        for key in (*STAGE_GROUPS, "launcher", "sources", "execution", "seed"):
            fitted = self._fitted.of(partial(self._fit, key, raw), raw.get(key), also=key)
            if fitted.misfits:  # they say where a key belongs, which depends on the other nodes
                fitted = self._fit(key, raw)
            config[key] = fitted.value
            misfits += fitted.misfits
        return config, misfits

    def _fit(self, key: str, raw: Mapping[str, Any]) -> _Fitted:
        conformer = Conformer(self._schema, raw)
        node = raw.get(key)
        value: Any
        if key == "sources":
            value = {
                name: conformer.node(source, "sources", f"sources.{name}")
                for name, source in (node or {}).items()
            }
        elif key in STAGE_ROOT_KEYS:
            given = {key: node} if node is not None else {}
            value = conformer.field(given, root_fields()[key], key)
        else:
            value = conformer.node(node, key, key)
        return _Fitted(value, tuple(conformer.faults))

    def _weigh(self, config: dict[str, Any]) -> None:
        """Let every part count once where nobody weighed those of a person's own."""
        weighting, verifier = config.get("reward_weighting"), config.get("verifier")
        config["reward_weighting"] = self._fitting(weighting, verifier)
        for role in with_objective(config):
            node = config["models"][role]
            judged = {"verifier": verifier, "reward_weighting": weighting}
            judged |= {key: own for key in judged if (own := node[TRAIN].get(key)) is not None}
            fitting = self._fitting(judged["reward_weighting"], judged["verifier"])
            if fitting != judged["reward_weighting"]:
                place = f"models.{role}.{TRAIN}.reward_weighting"
                make = partial(put, config, place, fitting)
                config["models"] = self._weighted.of(make, config["models"], fitting)["models"]

    def _fitting(self, weighting: Any, verifier: Any) -> Any:
        if not isinstance(verifier, dict) or not self._has_own_parts(verifier.get("name")):
            return weighting
        make = partial(weights.fitting, weighting, verifier, self._schema)
        return self._weighted.of(make, weighting, verifier)

    def _has_own_parts(self, name: Any) -> bool:
        """Tell whether a verifier's parts are those of a person's file, or of environments."""
        if is_reference(name):
            return True
        info = self._schema.find("verifier", str(name))
        return info is not None and any(need.what == PARTS for need in info.provides)

    def _own(self, over: Mapping[str, Any], key: str) -> Any:
        """Return a setting that only a stage has; whether it fits is judged with the root."""
        node = over.get(key)

        def fit() -> _Fitted:
            given = {key: node} if node is not None else {}
            return _Fitted(Conformer(self._schema).field(given, stage_fields()[key], key), ())

        return self._fitted.of(fit, node, also=("own", key)).value

    def _shorten(self, config: dict[str, Any]) -> None:
        """Leave two steps, a checkpoint and a gate at each, and an evaluation on a few problems."""
        for key in ("training", "execution", "evaluation", "rollout"):
            node = config.get(key)
            if isinstance(node, dict):
                make = partial(_shortened, node, key, self._schema)
                config[key] = self._short.of(make, node, also=key)
        if others := evaluations.named(config):
            node = config[evaluations.GROUP]
            make = partial(_shortened_all, node, others, self._schema)
            config[evaluations.GROUP] = self._short.of(make, node, also=evaluations.GROUP)


@dataclass(frozen=True)
class _Fitted:
    """A node complete and typed, and (path, message) of what in it does not fit."""

    value: Any
    misfits: tuple[tuple[str, str], ...]


def interpolated(raw: dict[str, Any], root: Mapping[str, Any], stage: str) -> dict[str, Any]:
    """Return a stage's node with ``${…}`` replaced; paths mean the stage's own values.

    What takes something from the environment stays as it is written (:mod:`.environment`).
    """
    if not _any_interpolation(raw):
        return raw
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = OmegaConf.create(environment.escaped({**root, **raw}))
    resolved: dict[str, Any] = {}
    for key in raw:
        node = config._get_node(key)
        try:
            is_node = OmegaConf.is_config(node)
            resolved[key] = OmegaConf.to_container(node, resolve=True) if is_node else config[key]
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(
                [Fault(f"{key} of the stage {stage}", f"refers to nothing: {reason}")]
            ) from error
    return resolved


def in_sight(written: Iterable[str], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nodes of a root that the interpolations in ``written`` can refer to.

    Every word of an interpolation that is a key of the root counts. One inside another can name
    anything, so then that is the whole root.
    """
    seen: set[str] = set()
    waiting = list(written)
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        for text in _interpolations(whole[key]):
            if _NESTED.search(text):
                return dict(whole)
            waiting += [word for word in _WORD.findall(text) if word in whole]
    return {key: value for key, value in whole.items() if key in seen}


def _interpolations(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _interpolations(item)
    elif isinstance(value, list):
        for item in value:
            yield from _interpolations(item)
    elif is_interpolation(value):
        yield value


def _any_interpolation(value: Any) -> bool:
    return next(_interpolations(value), None) is not None


def _is_tree(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _shortened_all(
    node: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]], schema: Schema
) -> dict[str, Any]:
    """Return the evaluations beside main, each on a few problems."""
    short = {
        name: {**entry, "evaluation": _shortened(entry["evaluation"], "evaluation", schema)}
        for name, entry in others.items()
        if isinstance(entry.get("evaluation"), dict)
    }
    return {**node, **short}


def _shortened(node: dict[str, Any], key: str, schema: Schema) -> dict[str, Any]:
    if key == "execution":
        return {**node, "checkpoint_every": 1}
    short = dict(node)
    if key == "training":
        if isinstance(node.get("steps"), int):
            short["steps"] = min(node["steps"], DEBUG_STEPS)
        if isinstance(node.get("warm_start_steps"), int):
            short["warm_start_steps"] = min(node["warm_start_steps"], DEBUG_STEPS - 1)
        return short
    if key == "rollout":
        gate = node.get("gate")
        if isinstance(gate, dict) and isinstance(gate.get("every"), int):
            short["gate"] = {**gate, "every": min(gate["every"], DEBUG_STEPS)}
        return short
    info = schema.find("evaluation", str(node.get("name")))
    for name in ("problems", "limit"):
        if info is not None and name in info.fields:
            given = node.get(name)
            short[name] = DEBUG_PROBLEMS if given is None else min(given, DEBUG_PROBLEMS)
    return short
