"""The evaluations beside main: what they are called, and whether each has what it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etude.config import (
    check_asked,
    check_data,
    check_needs,
    check_rules,
    check_verifier,
    evaluations,
    hidden_columns,
    needs,
)
from etude.config.evaluations import GROUP, MAIN
from etude.config.installation import Installation
from etude.config.needs import Used
from etude.config.overlay import overlays_of

_NAME = re.compile(r"[A-Za-z_][\w-]*")

Config = Mapping[str, Any]


def faults(config: Config, installation: Installation) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the evaluations of a stage beside main, as (path, message)."""
    for name in evaluations.named(config):
        path = f"{GROUP}.{name}"
        if name == MAIN:
            yield path, "is the stage's own evaluation: type evaluation.KEY=VALUE"
        elif not _NAME.fullmatch(name):
            yield path, "is called by letters, digits, _ and -, and begins with a letter."
        else:
            view = evaluations.view(config, name)
            if evaluations.measures(view):
                yield from _of_view(name, view, config, installation)


@dataclass(frozen=True)
class _Place:
    """Lays what was found in a view of an evaluation where one would type it."""

    name: str
    config: Config

    def __call__(self, path: str, message: str) -> tuple[str, str]:
        """Return a fault of the view as one of the stage."""
        own = evaluations.named(self.config)[self.name]
        for group in (group for group in evaluations.OWN if own.get(group) is not None):
            there = re.compile(rf"(?<![\w.]){group}(?=[.=])")
            message = there.sub(f"{GROUP}.{self.name}.{group}", message)
        return evaluations.in_stage(path, self.name, self.config), message


def with_own_rows(
    config: Config,
) -> Iterator[tuple[dict[str, Any], Callable[[str, str], tuple[str, str]]]]:
    """Yield the views that measure on rows, or judge by a verifier, of their own.

    With each comes what turns (path, message) of the view into those of the stage.
    """
    for name, own in evaluations.named(config).items():
        view = evaluations.view(config, name)
        apart = own.get("data_mix") or own.get("verifier") or not config.get("evaluation")
        if apart and evaluations.measures(view):
            yield view, _Place(name, config)


def is_none(path: str, composed: Config, root: Config) -> bool:
    """Tell whether a path names an evaluation that there is not, at the root or for a stage.

    ``composed`` is the root as files have it, ``root`` with what was typed laid over it.
    """
    match path.split("."):
        case [group, name]:
            there = composed.get(group)
        case ["stages", stage, group, name]:
            own = (overlays_of(composed).get(stage) or {}).get(group)
            there = {**(root.get(group) or {}), **(own or {})}
        case _:
            return False
    return group == GROUP and (there or {}).get(name) is None


def used_by(name: str, view: Config, config: Config, installation: Installation) -> list[Used]:
    """Return the components that an evaluation reads, where they lie in its stage."""
    schema = installation.schema
    reads = dict.fromkeys(("evaluation", *needs.evaluation_reads(view, schema)))
    return [
        used
        for group in reads
        if group != "sources"
        for used in needs.walk(
            view.get(group), group, evaluations.in_stage(group, name, config), schema
        )
    ]


def _of_view(
    name: str, view: Config, config: Config, installation: Installation
) -> Iterator[tuple[str, str]]:
    """Yield what an evaluation lacks that main has, or that it sets itself."""
    own = f"{GROUP}.{name}"
    if view["data_mix"] is not config.get("data_mix") or not config.get("evaluation"):
        place = _Place(name, config)
        yield from (place(*fault) for fault in check_data.side(view, installation, held_out=True))
    schema = installation.schema
    used = used_by(name, view, config, installation)
    has = needs.provided(view, used, "")
    for each in used:
        if each.path.startswith(own):
            yield from check_rules.broken(each, view)
            yield from hidden_columns.hidden(each, view, schema, trained=False)
        for need in needs.active(each.info.requires, each):
            if need.what.startswith("column:"):
                found = check_data.column(each, need.what, need.why, view, has, installation, set())
                yield from ((path or own, message) for path, message in found)
            elif need.what.startswith("model:") and need.what not in has:
                roles = [key for key in view.get("models") or {} if key != "name"]
                message = check_needs.missing(each, need.what, need.why, used, schema, roles)
                yield each.path, message
    itself = [each for each in used if each.path.startswith(own)]
    yield from check_verifier.misfits(itself)
    yield from check_asked.no_room(itself, view, origin=None)
