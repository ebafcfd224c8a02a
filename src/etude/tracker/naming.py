"""What a W&B run is called, so that a person finds it: the recipe, what differs, the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from etude.plan.nodes import EvaluationNode, Graph, Run, StageNode, own_overrides
from etude.printable import printable_line

#: What W&B allows.
LONGEST_NAME, LONGEST_TAG = 128, 64

#: Overrides that say where and how to work, and nothing of what is learned.
_ASIDE = ("execution", "launcher", "name", "outputs", "recipe", "resources", "seed", "tracker")


def name_of(node: StageNode | EvaluationNode, graph: Graph | None) -> str:
    """Return ``quickstart rl optimizer.lr=1e-3 seed=1``: of a sweep only what tells it apart.

    A stage that several runs share is named after what they have in common.
    """
    runs = _runs_with(node, graph)
    words = [runs[0].name] if runs else []
    if not words or words[0] != node.name:
        words.append(node.name)
    words += _differs(runs, graph)
    words.append(f"seed={node.config.get('seed', 0)}")
    text = printable_line(" ".join(words))
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def differences(node: StageNode | EvaluationNode, graph: Graph | None) -> dict[str, str | float]:
    """Return what tells a stage from those of the other members of a sweep: key → value as typed.

    Numbers are numbers. Empty for a run alone.
    """
    if graph is None or len(_all(graph)) < 2:
        return {}
    split = (each.lstrip("+~").partition("=") for each in _differs(_runs_with(node, graph), graph))
    return {key: _number(value) for key, _, value in split}


def sweep_name(graph: Graph) -> str:
    """Return what a sweep is called: what its members run, and what they vary."""
    own = own_overrides([run.overrides for run in _all(graph)])
    varied = dict.fromkeys(each.lstrip("+~").partition("=")[0] for one in own for each in one)
    names = dict.fromkeys(run.name for run in _all(graph))
    text = printable_line(f"{' '.join(names)} sweep over {', '.join(varied)}")
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def tags_of(
    node: StageNode | EvaluationNode, graph: Graph | None, asked: Sequence[str]
) -> tuple[str, ...]:
    """Return the tags of a stage's run: those asked for, recipe, objective, stage and model."""
    runs = _runs_with(node, graph)
    objective = node.config.get("objective")
    model = node.config.get("model")
    found = [
        *asked,
        runs[0].name if runs else "",
        _named(objective, "preset") or _named(objective, "name"),
        node.name,
        PurePath(_named(model, "path") or _named(model, "name")).name,
    ]
    tags = (printable_line(text)[:LONGEST_TAG] for text in found if text)
    return tuple(dict.fromkeys(tags))


def _runs_with(node: StageNode | EvaluationNode, graph: Graph | None) -> list[Run]:
    if graph is None:
        return []
    if isinstance(node, EvaluationNode):
        return graph.runs[:1]
    wanting = [
        run for run in graph.runs if any(each.stage == node.fingerprint for each in run.stages)
    ]
    return wanting or graph.runs[:1]


def _differs(runs: Sequence[Run], graph: Graph | None) -> list[str]:
    """Return the overrides that all of these runs have and not every run of a sweep has."""
    if not runs or graph is None:
        return []
    shared = [each for each in runs[0].overrides if all(each in run.overrides for run in runs)]
    others = [run for run in _all(graph) if run not in runs]
    if others:
        shared = [each for each in shared if not all(each in run.overrides for run in others)]
    return [each for each in shared if each.lstrip("+~").split("=")[0].split(".")[0] not in _ASIDE]


def _all(graph: Graph) -> Sequence[Run]:
    """Return the members of the whole sweep, also where this process works on a part of it."""
    return graph.whole or graph.runs


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _named(node: Any, key: str) -> str:
    return str(node.get(key) or "") if isinstance(node, Mapping) else ""
