"""The evaluations that components of a stage ask for while it trains, and how often.

A component declares it, ``Need("evaluation:main@{every}")``: the evaluation ``main`` after every so
many steps; ``evaluation:main@start`` is the one before the first. What it hears of them is part of
the result, so they count in the fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from etude.config.evaluations import MAIN, measuring
from etude.config.handed_on import chosen_by
from etude.config.needs import active, learner_of, read_nodes, trained_roles, walk
from etude.config.overlay import STAGE_GROUPS
from etude.config.role_stages import own_nodes
from etude.config.sharing import ByIdentity
from etude.schema import LearnerInfo, Schema

KIND = "evaluation:"

#: What stands for the number of steps of an evaluation that is made before the first one.
START = "start"

#: Name of an evaluation → after how many steps it is asked for, each time; 0 is before the first.
Asked = dict[str, tuple[int, ...]]

_READ = (*STAGE_GROUPS, "sources")


def of_need(what: str) -> tuple[str, int]:
    """Return the name and the cadence of ``evaluation:NAME@EVERY``; 0 where it is the start.

    Raises ValueError where the cadence is no whole number above 0.
    """
    name, _, every = what.removeprefix(KIND).partition("@")
    if every == START:
        return name, 0
    steps = int(every)
    if steps < 1:
        raise ValueError(what)
    return name, steps


class AskedEvaluations:
    """Finds the evaluations that stages ask for; what configs share is looked through once."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._of_node: ByIdentity[list[tuple[str, int, str]]] = ByIdentity()
        self._found: ByIdentity[Asked] = ByIdentity()

    def of(self, config: Mapping[str, Any]) -> Asked:
        """Return what the components that a stage's learner reads ask for, by name."""
        return self._found.of(partial(self._asked, config), *(config.get(key) for key in _READ))

    def words(self, config: Mapping[str, Any]) -> str:
        """Return what is measured while a stage trains, and for whom; empty where nothing asks."""
        found: dict[tuple[str, str], list[str]] = {}
        for name, every, title in sorted(set(self._all(config))):
            found.setdefault((name, title), []).append(cadence(every))
        return " · ".join(
            f"{'' if name == MAIN else f'{name} '}{' and '.join(often)}, for {title}"
            for (name, title), often in found.items()
        )

    def _asked(self, config: Mapping[str, Any]) -> Asked:
        found: dict[str, set[int]] = {}
        for name, every, _ in self._all(config):
            found.setdefault(name, set()).add(every)
        return {name: tuple(sorted(every)) for name, every in sorted(found.items())}

    def _all(self, config: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
        """Yield (name, cadence, who asks)."""
        learner = learner_of(config, self._schema)
        roles = trained_roles(config, self._schema)
        inner = [each for role in roles for each in own_nodes(config, role, self._schema)]
        nodes = read_nodes({**config, "evaluation": None}, self._schema)
        for group, path, node in (*nodes, *inner):
            look = partial(self._wants, node, group, path, learner)
            yield from self._of_node.of(look, node, also=(group, path, learner.name))

    def _wants(
        self, node: Any, group: str, path: str, learner: LearnerInfo
    ) -> list[tuple[str, int, str]]:
        return [
            (*of_need(need.what), used.title)
            for used in walk(node, group, path, self._schema, learner)
            for need in active(used.info.requires, used)
            if need.what.startswith(KIND)
        ]


def cadence(every: int) -> str:
    """Return in words when an evaluation is made."""
    if every == 0:
        return "before the first step"
    return f"every {every} steps" if every > 1 else "after every step"


def due(asked: Mapping[str, tuple[int, ...]], finished: int) -> list[str]:
    """Return the evaluations that are asked for after so many finished steps; 0: at the start."""
    if finished == 0:
        return [name for name, every in asked.items() if 0 in every]
    return [name for name, every in asked.items() if any(e and finished % e == 0 for e in every)]


def measures(config: Mapping[str, Any], schema: Schema) -> bool:
    """Tell whether a stage measures its model while it trains: for itself, a component or a log."""
    if not measuring(config):
        return False
    often = (config.get("execution") or {}).get("evaluate_every")
    return bool(chosen_by(config) or often or AskedEvaluations(schema).of(config))
