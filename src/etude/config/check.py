"""Every stage of a member, and every role that it trains, judged: all faults in one report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from etude.build import load_class
from etude.config import (
    asked_evaluations,
    check_model,
    check_recipe,
    check_stage,
    check_written,
    needs,
)
from etude.config.check_root import check_root
from etude.config.check_rows import RowChecker
from etude.config.check_stage import Judged
from etude.config.installation import Installation
from etude.config.model_look import ModelLook
from etude.config.needs import trained_roles
from etude.config.overlay import STAGE_GROUPS, overlays_of
from etude.config.pipeline import expand
from etude.config.resolve import MemberLike, Resolver, StageConfig
from etude.config.role_stages import config_of, message_of, place_of
from etude.config.roles import Asking
from etude.config.sharing import ByIdentity
from etude.config.spelling import root_fields, stage_fields
from etude.errors import ConfigError, Fault
from etude.plan.inputs import reader_of
from etude.schema import Schema

#: What is judged of a stage's config.
_JUDGED = (*STAGE_GROUPS, "sources", "execution", "launcher", "gate", "resources")


class Checker:
    """Checks members against one installation; what members have in common is judged once."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._resolver = Resolver(installation.schema)
        self._inputs = reader_of(installation.schema)
        self._asking = Asking(installation.schema)
        self._model_look = ModelLook()
        self._judged: ByIdentity[Judged] = ByIdentity()
        self._rows = RowChecker(installation)
        self._inner: ByIdentity[dict[str, Any]] = ByIdentity()

    def check(self, member: MemberLike) -> list[StageConfig]:
        """Return a member's stages, all sound; raises ConfigError with every fault of each."""
        check_root(member.root, self._installation.schema)
        stages: list[StageConfig] = []
        found: dict[tuple[str, str], list[str]] = {}
        checked: set[str] = set()
        steps = list(expand(member.root))
        origins = check_model.origins(steps)
        for step in steps:
            stage, misfits = self._resolver.stage(member, step)
            stages.append(stage)
            if step.overlay in checked:
                continue
            checked.add(step.overlay)
            rows = () if misfits else self._rows.look(stage, origins[step.name])
            told = [*misfits, *self._judge(stage, origins).unmet, *rows]
            inner = [] if misfits else self._roles(stage)
            for role, own in inner:
                unmet, rows = (
                    self._judge(own, origins, stage).unmet,
                    self._rows.look(own, origins[step.name]),
                )
                told += _of_role((*unmet, *rows), stage, role, told)
            if not told:
                told = [*self._rows.call(stage)]
                for role, own in inner:
                    told += _of_role(self._rows.call(own), stage, role, told)
            for path, message in told:
                found.setdefault((path, message), []).append(step.overlay)
        for path, message, overlay in self._references(stages, member.root):
            at = found.setdefault((path, message), [])
            at += [] if overlay in at else [overlay]
        faults = [
            Fault(_where(path, at, checked, member.root), message)
            for (path, message), at in found.items()
        ]
        faults += [Fault(*fault) for fault in check_recipe.misfits(member, self._installation)]
        if faults:
            raise ConfigError(faults)
        # A plug-in's components are imported, so that a broken one fails before the queue.
        for info in [info for stage in stages for info in self._judge(stage, origins).foreign]:
            load_class(info)
        return stages

    def _roles(self, stage: StageConfig) -> list[tuple[str, StageConfig]]:
        """Return the roles that a stage trains on rows of their own, each as a stage within it."""
        schema, config = self._installation.schema, stage.config
        nodes = [config.get(key) for key in _JUDGED]
        found = []
        for role in trained_roles(config, schema):
            own = self._inner.of(partial(config_of, config, role), *nodes, also=role)
            if needs.learner_of(own, schema).name == stage.learner:
                found.append((role, replace(stage, config=own, gate=None)))
        return found

    def _references(
        self, stages: Sequence[StageConfig], root: Mapping[str, Any]
    ) -> Iterator[tuple[str, str, str]]:
        """Yield (path, message, overlay) of every reference that leads to nothing that is whole."""
        given, misfits = self._inputs.of(stages, overlays_of(root))
        written_as = {stage.name: stage.written_as for stage in stages}
        for misfit in misfits:
            yield misfit.path, misfit.message, written_as[misfit.stage]
        configs = {stage.name: stage.config for stage in stages}
        for stage in stages:
            written = check_written.lacking(
                given[stage.name].all, stage.config, configs, self._installation.schema
            )
            for path, message in written:
                yield path, message, stage.written_as
            asked = self._asking.of(stage.config)
            # Of a role that is not opened, only a head is read, which lies there with no model.
            heads = {role.key for role in asked.values() if not role.opened}
            inputs = given[stage.name].trained.items()
            models = {place: value for place, value in inputs if place not in heads}
            for path, message in self._model_look.faults(stage.config, models):
                yield path, message, stage.written_as

    def _judge(
        self, stage: StageConfig, origins: Mapping[str, str], around: StageConfig | None = None
    ) -> Judged:
        """Return what a stage lacks: it depends on nothing but its nodes and its first model.

        ``around`` is the stage that has a role, where that is judged; it makes the evaluations.
        """
        nodes = [stage.config.get(key) for key in _JUDGED]
        origin = origins[stage.name]
        measured = () if around is None else _evaluations_of(around, self._installation.schema)
        judge = partial(check_stage.judged, stage, origin, self._installation, measured)
        return self._judged.of(judge, *nodes, also=(stage.learner, origin, measured))


def _evaluations_of(stage: StageConfig, schema: Schema) -> tuple[str, ...]:
    """Return what a stage provides of evaluations, for the components of its roles."""
    has = needs.provided(stage.config, needs.used_by(stage.config, schema), stage.learner)
    return tuple(what for what in has if what.startswith(asked_evaluations.KIND))


def check(member: MemberLike, installation: Installation) -> list[StageConfig]:
    """Return one member's stages as :meth:`Checker.check` does."""
    return Checker(installation).check(member)


def _of_role(
    found: Iterable[tuple[str, str]],
    stage: StageConfig,
    role: str,
    told: Collection[tuple[str, str]],
) -> list[tuple[str, str]]:
    """Return what was found of a role as the stage has it, without what the stage was told."""
    config = stage.config
    placed = [
        (place_of(path, config, role), message_of(message, config, role)) for path, message in found
    ]
    return [each for each in dict.fromkeys(placed) if each not in told]


def _where(path: str, stages: Sequence[str], every: set[str], root: Mapping[str, Any]) -> str:
    """Return a path as one would type it: at the root where it is set for the stages at fault."""
    if not path:
        return ""
    head = path.split(".")[0]
    of_stages = head in stage_fields() and head not in root_fields()
    overlaid = any(_in_overlay(path, stage, root) for stage in stages)
    if not of_stages and (not overlaid or (len(every) > 1 and set(stages) >= every)):
        return path
    return f"stages.{stages[0]}.{path}"


def _in_overlay(path: str, stage: str, root: Mapping[str, Any]) -> bool:
    """Tell whether a stage sets a key, or chose the file that the key stands in."""
    node: Any = overlays_of(root).get(stage, {})
    for part in path.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return isinstance(node, Mapping) and "name" in node
        node = node[part]
    return True
