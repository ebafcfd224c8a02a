"""Which parts by path a plan trains with, tried before its first stage does."""

from __future__ import annotations

from etude.by_path import rehearsal
from etude.by_path.rehearsal import Tried
from etude.config import needs
from etude.config.declared_parts import declared
from etude.config.evaluations import GROUP, in_stage, measuring, view
from etude.config.needs import Used
from etude.config.role_stages import config_of
from etude.errors import Fault
from etude.plan.layout import Folders
from etude.plan.lookup import state_of
from etude.plan.nodes import Graph, StageNode
from etude.schema import Schema

#: Groups whose parts are tried; verifiers and sources were called on rows of the stage.
_TRIED = ("objective/", "reward_weighting", "rollout/budget")


def faults(graph: Graph, schema: Schema) -> list[Fault]:
    """Return a fault for each part by path of a stage to come that fails on made-up rows."""
    found: dict[str, tuple[Tried, str]] = {}
    folders = Folders(graph.outputs)
    for node in graph.stages.values():
        roles = needs.trained_roles(node.config, schema)
        parts = []
        for config in (node.config, *(config_of(node.config, role) for role in roles)):
            used = needs.used_by(config, schema)
            parts += [(u, used) for u in used if u.info.place and u.info.group.startswith(_TRIED)]
        parts += _measuring(node, schema)
        if not parts or state_of(node, graph.outputs, folders).kind == "done":
            continue
        for each, around in parts:
            tried = _tried(each, node, around)
            place = each.path if each.path.startswith(f"{GROUP}.") else each.info.group
            found.setdefault(repr(tried), (tried, f"{place}={each.info.name}"))
    if not found:
        return []
    every = list(found.values())
    said = rehearsal.problems([tried for tried, _ in every])
    return [
        Fault(every[number][1], f"was tried on made-up rows, and {text}")
        for number, text in sorted(said.items())
    ]


def _measuring(node: StageNode, schema: Schema) -> list[tuple[Used, list[Used]]]:
    """Return the evaluations by path of a stage, each with the verifiers that judge for it."""
    return [
        (used, list(needs.walk(seen.get("verifier"), "verifier", "verifier", schema)))
        for name in measuring(node.config)
        for seen in (view(node.config, name),)
        for place in (in_stage("evaluation", name, node.config),)
        for used in needs.walk(seen["evaluation"], "evaluation", place, schema)
        if used.info.place
    ]


def _tried(each: Used, stage: StageNode, used: list[Used]) -> Tried:
    training = stage.config.get("training") or {}
    given = declared(used) or frozenset()
    return Tried(
        each.info.group,
        each.node,
        int(training.get("rollouts_per_prompt") or 1),
        int(training.get("steps") or 1),
        tuple(sorted(given - {"thought"})) or None,
    )
