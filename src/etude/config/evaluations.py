"""The evaluations of a stage as views: what each measures by, as a whole config of the stage.

The key ``evaluation`` is the evaluation *main*; ``evaluations`` holds the others by name. What one
of them sets itself lies in the place of the stage's in its view, so that whoever reads what an
evaluation needs reads one config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The evaluation that the key ``evaluation`` is.
MAIN = "main"

#: The nodes that a named evaluation may have of its own.
OWN = ("evaluation", "data_mix", "verifier", "rollout", "environment")

#: The group of the evaluations beside main.
GROUP = "evaluations"


def named(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what each evaluation beside main sets, in the order of their names."""
    node = config.get(GROUP)
    entries = node.items() if isinstance(node, Mapping) else ()
    return {
        str(name): entry
        for name, entry in sorted(entries)
        if name != "name" and isinstance(entry, Mapping)
    }


def view(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the stage's config as one of its evaluations reads it; raises KeyError for no name."""
    if name == MAIN:
        return config if isinstance(config, dict) else dict(config)
    own = {group: node for group, node in named(config)[name].items() if node is not None}
    return {**config, **own, GROUP: None}


def views(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every evaluation of a stage and its view, main first."""
    return {name: view(config, name) for name in (MAIN, *named(config))}


def measures(config: Mapping[str, Any]) -> bool:
    """Tell whether a view measures anything (null or 0 problems do not)."""
    node = config.get("evaluation")
    return bool(node) and (node or {}).get("problems", 1) != 0


def measuring(config: Mapping[str, Any]) -> list[str]:
    """Return the names of a stage's evaluations that are not switched off, main first."""
    return [name for name, seen in views(config).items() if measures(seen)]


def in_stage(path: str, name: str, config: Mapping[str, Any]) -> str:
    """Return where a path of a view lies in the stage: in the evaluation where that sets it."""
    group = path.partition(".")[0]
    own = name != MAIN and named(config)[name].get(group) is not None
    return f"{GROUP}.{name}.{path}" if own else path


def in_view(path: str, name: str) -> str:
    """Return where a path of a stage lies in the view of one of its evaluations."""
    return path.removeprefix(f"{GROUP}.{name}.")


def metric_of(text: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the evaluation and the metric that a text names: ``ood/pass@1``, else one of main."""
    name, _, metric = text.partition("/")
    return (name, metric) if metric and name in (MAIN, *named(config)) else (MAIN, text)
