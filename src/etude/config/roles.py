"""The other models of a stage: which roles its learner's components ask for, and for what.

A role that nothing asks for is no input of the stage: it is not opened, takes no memory and changes
no fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from etude.config.asked_evaluations import measures
from etude.config.evaluations import measuring, views
from etude.config.needs import (
    SAMPLER,
    Used,
    active,
    evaluation_reads,
    learner_of,
    read_nodes,
    sources_named,
    trained_roles,
    walk,
)
from etude.config.overlay import STAGE_GROUPS
from etude.config.role_stages import TRAIN, own_nodes
from etude.config.sharing import ByIdentity
from etude.rows import POLICY
from etude.schema import LearnerInfo, Schema

_OPENED, _TRAINED, _CHANGED = "model:", "trained:", "changes:"

#: What an evaluation reads that may ask for a model.
_MEASURED = frozenset({"evaluation", "verifier", "rollout"})

#: What a role wants of itself that is trained on rows of its own.
_ITSELF = (_OPENED, _TRAINED)

#: The nodes of a config that what is asked for depends on.
_READ = (*STAGE_GROUPS, "sources")


@dataclass(frozen=True)
class Asked:
    """A role that components of a stage ask for.

    ``by`` are those components. ``opened`` is False where nothing reads its weights (a head that is
    trained on another model, and may go on from an earlier one). ``trained`` roles have an
    optimizer and are handed on; the others are frozen. ``scores`` are the trained models whose
    objective asks, so that the tokens of every row of theirs have log-probs under it. ``trainers``
    are the components that train it, and ``changers`` those that change its weights in time.
    """

    role: str
    by: tuple[Used, ...]
    opened: bool
    trained: bool
    scores: tuple[str, ...]
    trainers: tuple[Used, ...] = ()
    changers: tuple[Used, ...] = ()

    @property
    def changing(self) -> bool:
        """Return whether a component changes its weights in time."""
        return bool(self.changers)

    @property
    def key(self) -> str:
        """Return the config key that says what its model is."""
        return f"models.{self.role}.load"

    @property
    def purpose(self) -> str:
        """Return what it is there for: the names of the components that ask for it."""
        return ", ".join(dict.fromkeys(each.info.name for each in self.by))


class Asking:
    """Finds the roles that stages ask for; what configs share is looked through once."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._wants: ByIdentity[list[_Want]] = ByIdentity()
        self._named: ByIdentity[set[str]] = ByIdentity()
        self._found: ByIdentity[dict[str, Asked]] = ByIdentity()

    def of(self, config: Mapping[str, Any]) -> dict[str, Asked]:
        """Return the roles that the components which a stage's learner reads ask for, by name.

        ``config`` is a resolved stage config, or a stage's nodes as they were composed.
        """
        nodes = [config.get(key) for key in _READ]
        return self._found.of(partial(self._asked, config), *nodes)

    def measured(self, config: Mapping[str, Any]) -> dict[str, Asked]:
        """Return the roles that the components which its evaluation reads ask for, by name.

        ``config`` is a resolved stage config as one evaluation reads it.
        """
        if not config.get("evaluation"):
            return {}
        groups = ("evaluation", *evaluation_reads(config, self._schema))
        nodes = {group: config.get(group) for group in groups if group in _MEASURED}
        look = partial(self._measured, nodes)
        return self._found.of(look, *nodes.values(), also=tuple(nodes))

    def held(self, config: Mapping[str, Any]) -> dict[str, Asked]:
        """Return the roles that are open while a stage trains, by name.

        They are those that its learner asks for, and where it measures the model meanwhile also
        those of its evaluations.
        """
        return self.every(config) if measures(config, self._schema) else self.of(config)

    def every(self, config: Mapping[str, Any]) -> dict[str, Asked]:
        """Return the roles that the learner of a stage or one of its evaluations asks for."""
        seen = views(config)
        measured = (self.measured(seen[name]) for name in measuring(config))
        return {role: each for one in measured for role, each in one.items()} | self.of(config)

    def _measured(self, nodes: Mapping[str, Any]) -> dict[str, Asked]:
        found: dict[str, list[_Want]] = {}
        none = self._schema.learner("")  # reads nothing that only some learners read
        for group, node in nodes.items():
            for want in _wants(node, group, group, self._schema, none):
                found.setdefault(want.role, []).append(want)
        return {role: _asked(role, wants) for role, wants in sorted(found.items())}

    def _asked(self, config: Mapping[str, Any]) -> dict[str, Asked]:
        found: dict[str, list[_Want]] = {}
        mix, sources = config.get("data_mix"), config.get("sources")
        named = self._named.of(partial(sources_named, config), mix, sources)
        learner = learner_of(config, self._schema)
        for group, path, node in read_nodes({**config, "evaluation": None}, self._schema, named):
            look = partial(_wants, node, group, path, self._schema, learner)
            for want in self._wants.of(look, node, also=(group, path, learner.name)):
                found.setdefault(want.role, []).append(want)
        for role in trained_roles(config, self._schema):
            self._of_trained(role, config, learner, found)
        found.pop(SAMPLER, None)
        return {role: _asked(role, wants) for role, wants in sorted(found.items())}

    def _of_trained(
        self,
        role: str,
        config: Mapping[str, Any],
        learner: LearnerInfo,
        found: dict[str, list[_Want]],
    ) -> None:
        """Add what the components of a role ask for that is trained on rows of its own, and it."""
        for group, path, node in own_nodes(config, role, self._schema):
            if group == "objective" and (info := self._schema.of(group, node)) is not None:
                used = Used(info, node, path)
                found.setdefault(role, []).extend(_Want(role, k, used) for k in _ITSELF)
            look = partial(_wants, node, group, path, self._schema, learner)
            for want in self._wants.of(look, node, also=(group, path, learner.name)):
                found.setdefault(want.role, []).append(want)


@lru_cache(maxsize=1)
def _asking(known: _Same) -> Asking:
    return Asking(known.schema)


def sampler_changes(config: Mapping[str, Any], schema: Schema) -> bool:
    """Return whether a component changes the model that samples in the place of the policy."""
    return any(
        want.role == SAMPLER
        for group, path, node in read_nodes({**config, "evaluation": None}, schema)
        for want in _wants(node, group, path, schema, learner_of(config, schema))
    )


def asked(config: Mapping[str, Any], schema: Schema) -> dict[str, Asked]:
    """Return the roles of one stage as :meth:`Asking.of` does.

    What the last schema's configs asked for is remembered: a sweep's stages are told of one by one.
    """
    return _asking(_Same(schema)).of(config)


def measured(config: Mapping[str, Any], schema: Schema) -> dict[str, Asked]:
    """Return the roles that one evaluation asks for, as :meth:`Asking.measured` does."""
    return _asking(_Same(schema)).measured(config)


def every(config: Mapping[str, Any], schema: Schema) -> dict[str, Asked]:
    """Return the roles that a stage or its evaluation asks for, as :meth:`Asking.every` does."""
    return _asking(_Same(schema)).every(config)


def held(config: Mapping[str, Any], schema: Schema) -> dict[str, Asked]:
    """Return the roles that are open while a stage trains, as :meth:`Asking.held` does."""
    return _asking(_Same(schema)).held(config)


class _Same:
    """A schema as a key: equal to itself alone."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema

    def __hash__(self) -> int:
        return id(self.schema)


@dataclass(frozen=True)
class _Want:
    role: str
    kind: str
    used: Used


def _wants(node: Any, group: str, path: str, schema: Schema, learner: LearnerInfo) -> list[_Want]:
    return [
        _Want(need.what.removeprefix(kind), kind, used)
        for used in walk(node, group, path, schema, learner)
        for needs, kind in (
            (used.info.requires, _OPENED),
            (used.info.provides, _TRAINED),
            (used.info.provides, _CHANGED),
        )
        for need in active(needs, used)
        if need.what.startswith(kind)
    ]


def _asked(role: str, wants: list[_Want]) -> Asked:
    kinds = {want.kind for want in wants}
    trained = _TRAINED in kinds
    return Asked(
        role,
        by=tuple({want.used.path: want.used for want in wants}.values()),
        opened=_OPENED in kinds,
        trained=trained,
        trainers=_of_kind(_TRAINED, wants),
        changers=_of_kind(_CHANGED, wants),
        scores=() if _by_another(role, wants) else tuple(sorted(set(_scoring(role, wants)))),
    )


def _of_kind(kind: str, wants: list[_Want]) -> tuple[Used, ...]:
    return tuple({want.used.path: want.used for want in wants if want.kind == kind}.values())


def _by_another(role: str, wants: list[_Want]) -> bool:
    """Tell whether a component trains a role, other than an objective of its own."""
    return any(w.kind == _TRAINED and w.used.path != _own_objective(role) for w in wants)


def _own_objective(role: str) -> str:
    return f"models.{role}.{TRAIN}.objective"


def _scoring(role: str, wants: list[_Want]) -> Iterator[str]:
    """Yield the trained models of whose objective a component asks for a role."""
    for want in wants:
        if want.kind == _OPENED and want.used.path != _own_objective(role):
            yield from filter(None, (_scored_by(want),))


def _scored_by(want: _Want) -> str:
    """Return the trained model of whose objective a component is; empty where it is of none."""
    head, *rest = want.used.path.split(".")
    if head == "objective":
        return POLICY
    return rest[0] if head == "models" and rest[1:3] == [TRAIN, "objective"] else ""
